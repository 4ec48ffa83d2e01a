"""TF_CONFIG and the collective calls of a cluster, with the other workers replaced by numbers."""

import pytest
import tensorflow as tf

from aae_tf.runs.backup import Backup
from aae_tf.runs.cluster import EX_TEMPFAIL, Cluster, TFConfig
from aae_tf.runs.errors import UserError

WORKERS = '"cluster": {"worker": ["a:1", "b:2"]}'
TASK = '"task": {"type": "worker", "index": 0}'


class TestTFConfig:
    def test_workers_are_numbered(self):
        text = f'{{{WORKERS}, "task": {{"type": "worker", "index": 1}}}}'
        config = TFConfig.read({"TF_CONFIG": text})
        assert config == (("a:1", "b:2"), 1)
        assert not config.is_chief

    def test_a_chief_comes_before_workers(self):
        cluster = '"cluster": {"worker": ["a:1", "b:2"], "chief": ["c:3"]}'
        chief = TFConfig.read(
            {"TF_CONFIG": f'{{{cluster}, "task": {{"type": "chief", "index": 0}}}}'}
        )
        worker = TFConfig.read({"TF_CONFIG": f"{{{cluster}, {TASK}}}"})
        assert chief.addresses == worker.addresses == ("c:3", "a:1", "b:2")
        assert (chief.worker_index, worker.worker_index) == (0, 1)
        assert chief.is_chief
        assert not worker.is_chief

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("{", "to be JSON, such as"),
            ("[]", "with `cluster`"),
            (f"{{{TASK}}}", "with `cluster`"),
            (f"{{{WORKERS}}}", "with `task`"),
            (f'{{"cluster": {{}}, {TASK}}}', "with a cluster of `worker`"),
            (f'{{"cluster": {{"ps": ["a:1"]}}, {TASK}}}', "with a cluster of `worker`"),
            (f'{{"cluster": {{"worker": []}}, {TASK}}}', "with lists of host:port"),
            (f'{{"cluster": {{"worker": ["a"]}}, {TASK}}}', "with lists of host:port"),
            (f'{{"cluster": {{"worker": ["a:0"]}}, {TASK}}}', "with lists of host:port"),
            (f'{{"cluster": {{"worker": [":1"]}}, {TASK}}}', "with lists of host:port"),
            (f'{{"cluster": {{"worker": "a:1"}}, {TASK}}}', "with lists of host:port"),
            (f'{{"cluster": {{"worker": ["a:1", "a:1"]}}, {TASK}}}', "an address of its own"),
            (f'{{"cluster": {{"chief": ["a:1", "b:1"]}}, {TASK}}}', "at most one `chief`"),
            (f'{{{WORKERS}, "task": {{"type": "worker", "index": 2}}}}', "the `task` of this"),
            (f'{{{WORKERS}, "task": {{"type": "worker", "index": true}}}}', "the `task` of this"),
            (f'{{{WORKERS}, "task": {{"type": "chief", "index": 0}}}}', "the `task` of this"),
        ],
    )
    def test_says_what_is_wrong(self, text, expected):
        with pytest.raises(ValueError, match=r"^Expected TF_CONFIG to be ") as error:
            TFConfig.read({"TF_CONFIG": text})
        assert expected in str(error.value)
        assert str(error.value).endswith(f"Received: TF_CONFIG={text!r}.")

    def test_says_when_it_is_missing(self):
        with pytest.raises(ValueError, match=r"^Expected TF_CONFIG in the environment .*: none\.$"):
            TFConfig.read({})


@pytest.fixture
def cluster(monkeypatch):
    """Three workers, of which this one is not the chief, and what the others contribute."""
    others = []
    cluster = Cluster()
    monkeypatch.setattr(Cluster, "num_replicas", 3)
    cluster.is_chief = False
    cluster._has_workers = True
    cluster.all_reduce_sum = lambda values: [
        own + other for own, other in zip(values, others.pop(0), strict=True)
    ]
    cluster.others = others
    return cluster


class TestCluster:
    def test_one_process_agrees_with_itself(self):
        cluster = Cluster()
        cluster.barrier()
        assert cluster.all_equal(2**31)
        assert cluster.is_chief
        assert cluster.broadcast_from_chief(True)
        assert not cluster.broadcast_from_chief(False)
        data = tf.data.Dataset.range(3)
        assert cluster.shard(data) is data

    @pytest.mark.parametrize(
        ("sizes", "received"),
        [
            ({"batch_size": 100}, "batch_size=100, replicas=3."),
            (
                {"labelled_batch": 25, "unlabelled_batch": 100},
                "labelled_batch=25, unlabelled_batch=100, replicas=3.",
            ),
        ],
    )
    def test_batches_have_equal_parts(self, cluster, sizes, received):
        cluster.check_divisible({"batch_size": 99})
        cluster.check_divisible({"labelled_batch": 25, "unlabelled_batch": 101})
        with pytest.raises(ValueError, match="to be divisible by the number of replicas") as error:
            cluster.check_divisible(sizes)
        assert str(error.value).startswith(f"Expected `{next(iter(sizes))}`")
        assert str(error.value).endswith(f"Received: {received}")

    def test_workers_agree_on_large_numbers(self, cluster):
        high, low = divmod(2**31 + 5, 2**12)
        cluster.others += [[2.0], [2.0 * high, 2.0 * low], [0.0]]
        assert cluster.all_equal(2**31 + 5)
        cluster.others += [[2.0], [2.0 * high, 2.0 * low + 1.0], [0.0]]
        assert not cluster.all_equal(2**31 + 5)

    def test_workers_go_on_from_one_backup(self, cluster, tmp_path):
        # Nothing here, a step elsewhere.
        cluster.others += [[2.0], [0.0, 1.0], [0.0]]
        with pytest.raises(UserError, match="Expected all workers to see one directory") as error:
            Backup(tmp_path, 5, cluster)
        assert str(tmp_path) in str(error.value)

    def test_workers_end_where_the_chief_cannot_begin(self, cluster):
        cluster.others += [[1.0], [0.0]]
        with pytest.raises(UserError, match="Expected the first worker to begin"):
            cluster.run_on_chief(lambda: pytest.fail("This is not the chief."))
        cluster.run_on_chief(lambda: pytest.fail("This is not the chief."))

    def test_the_chief_says_why_it_cannot_begin(self):
        def refuse():
            raise UserError("No.")

        with pytest.raises(UserError, match=r"^No\.$"):
            Cluster().run_on_chief(refuse)

    def test_a_lost_worker_is_one_line(self, cluster):
        with (
            pytest.raises(UserError, match="a worker is lost") as error,
            cluster.report_lost_worker(),
        ):
            raise tf.errors.UnavailableError(None, None, "Socket closed\nand more")
        assert str(error.value).endswith("TensorFlow says: Socket closed")
        assert error.value.exit_code == EX_TEMPFAIL == 75

    def test_a_worker_that_ends_after_the_run_is_finished_is_not_lost(self, cluster):
        def lose(values):
            raise tf.errors.UnavailableError(None, None, "Socket closed")

        cluster.all_reduce_sum = lose
        cluster.barrier_before_exit(lambda: True)
        with pytest.raises(tf.errors.UnavailableError):
            cluster.barrier_before_exit(lambda: False)

    def test_one_process_loses_no_worker(self):
        with pytest.raises(tf.errors.UnavailableError), Cluster().report_lost_worker():
            raise tf.errors.UnavailableError(None, None, "Something else")
