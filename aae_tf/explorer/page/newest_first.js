/**
 * Runs one request at a time; of those that come meanwhile, only the newest is run next.
 * @template A, R
 */
export class NewestFirst {
  /**
   * @param {(argument: A) => Promise<R>} run
   * @param {(result: R, argument: A) => void} onResult
   * @param {(error: unknown) => void} onError
   */
  constructor(run, onResult, onError) {
    this.run = run;
    this.onResult = onResult;
    this.onError = onError;
    this.busy = false;
    /** @type {{argument: A}|null} */
    this.waiting = null;
  }

  /** @param {A} argument */
  request(argument) {
    this.waiting = { argument };
    if (!this.busy) void this.work();
  }

  async work() {
    this.busy = true;
    while (this.waiting) {
      const { argument } = this.waiting;
      this.waiting = null;
      try {
        this.onResult(await this.run(argument), argument);
      } catch (error) {
        this.onError(error);
      }
    }
    this.busy = false;
  }
}
