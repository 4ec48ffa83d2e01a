import contextlib

import pytest

from aae_tf.export.batching_parameters import BatchingParameters
from aae_tf.export.saved_model_session import SavedModelSession
from aae_tf.serving.batching import BatchingSession, BatchThreadPool
from tests.serving.batching.fakes import FakeSession


@pytest.fixture(autouse=True)
def _no_failed_callback(caplog):
    """Fails a test in which a future was answered twice: it raises, and batching logs that."""
    yield
    records = caplog.get_records("call")
    assert not [r.getMessage() for r in records if r.name == "aae_tf.serving"]


@pytest.fixture
def pool(request):
    """One thread, so that a run that is held back holds back all others."""
    pool = BatchThreadPool(1, request.node.name)
    yield pool
    pool.close(grace=0.0)


@pytest.fixture
def fake():
    session = FakeSession()
    yield session
    session.gate.set()


@pytest.fixture
def batch_fake(fake, pool):
    """Builds a batching session over `fake`."""

    def build(observe=None, **parameters) -> BatchingSession:
        return BatchingSession(fake, BatchingParameters(**parameters), pool, observe)

    return build


@pytest.fixture
def batch_model(root, pool):
    """Builds a batching session over a model of `root`."""
    with contextlib.ExitStack() as stack:

        def build(name, observe=None, **parameters) -> BatchingSession:
            session = stack.enter_context(SavedModelSession(root / name))
            parameters = BatchingParameters(**parameters)
            return stack.enter_context(BatchingSession(session, parameters, pool, observe))

        yield build
