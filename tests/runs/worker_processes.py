"""Trains by the command in several processes that see no network but a loopback of their own.

TensorFlow's workers listen on every interface. Run as a script, which leaves the machine's network
before it imports TensorFlow, once: each process of a training is a fork that has computed nothing.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import sys

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_SET_FLAGS, _UP = 0x8914, 0x1


def leave_network():
    """Leaves this process and its children a loopback that no other process has.

    Raises:
        OSError: where the system does not allow that.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(_NEW_USER | _NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP))


def can_leave_network():
    """Tells whether `leave_network` works here, without leaving."""
    process = os.fork()
    if process == 0:
        with contextlib.suppress(OSError, AttributeError):
            leave_network()
            os._exit(0)
        os._exit(1)
    return os.waitpid(process, 0)[1] == 0


def start(arguments, log, environment=None, devices=1, kill_at=None):
    """Starts the command in a fork; returns its process.

    Args:
        arguments: of `aae-tf train`.
        log: file of what it prints.
        environment: further variables.
        devices: number of logical devices that its CPU stands for.
        kill_at: after how many steps it kills itself; None never does.
    """
    process = os.fork()
    if process:
        return process
    with open(log, "w") as file:  # noqa: PTH123
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(environment or {})
    import keras
    import tensorflow as tf

    from aae_tf.cli import main
    from aae_tf.runs import training

    # As for the other tests: these graphs run a few steps only.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    if devices > 1:
        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * devices
        )

    class Kill(keras.callbacks.Callback):
        steps = 0

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1
            if self.steps == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    callbacks = training._callbacks
    training._callbacks = lambda *args: [*callbacks(*args), Kill()]
    training.figure_callbacks = lambda *args: []
    training.write_report = lambda *args: None
    sys.argv = ["aae-tf", "train", *arguments]
    code = 1
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.stdout.flush()
        os._exit(code)


def cluster(number, index, port=2222):
    """Gives the environment of one worker of a cluster on the loopback."""
    addresses = [f"127.0.0.1:{port + i}" for i in range(number)]
    config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    return {"TF_CONFIG": json.dumps(config)}


def run(folder, arguments, rounds):
    """Starts the processes of each round together, and prints their codes, negative for signals.

    Args:
        folder: where runs and what the processes print are written.
        arguments: of all of them.
        rounds: lists of `[out, strategy, kill_at]`; those of one `out` that are "multi-worker" are
            a cluster.
    """
    codes = []
    for number, started in enumerate(rounds):
        processes = []
        for index, (out, strategy, kill_at) in enumerate(started):
            several = strategy == "multi-worker"
            process = start(
                [*arguments, "--strategy", strategy, "--out", f"{folder}/{out}"],
                f"{folder}/{number}-{index}.log",
                cluster(len(started), index) if several else None,
                devices=2 if strategy == "mirrored" else 1,
                kill_at=kill_at,
            )
            processes.append(process)
        ended = dict(os.wait() for _ in processes)
        codes.append([os.waitstatus_to_exitcode(ended[process]) for process in processes])
    print(json.dumps(codes))


if __name__ == "__main__":
    leave_network()
    # Everything that a process needs, imported once.
    import keras  # noqa: F401
    import tensorflow  # noqa: F401

    run(sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3]))
