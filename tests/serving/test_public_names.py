import sys

import pytest

import aae_tf.serving


@pytest.mark.parametrize(
    ("name", "package", "distribution"),
    [
        ("Client", "grpc", "grpcio"),
        ("run_load_test", "grpc", "grpcio"),
        ("ModelServer", "uvicorn", "uvicorn"),
        ("ModelServer", "tensorflow_serving", "tensorflow-serving-api"),
    ],
)
def test_a_missing_package_names_the_extra(monkeypatch, name, package, distribution):
    monkeypatch.setitem(sys.modules, package, None)
    message = (
        rf"^Expected {distribution} to be installed for aae_tf\.serving\.{name}: "
        r'pip install "aae_tf\[serving\]"\.$'
    )
    with pytest.raises(ImportError, match=message):
        getattr(aae_tf.serving, name)


def test_public_names_are_listed_and_others_refused():
    assert set(aae_tf.serving.__all__) <= set(dir(aae_tf.serving))
    for name in aae_tf.serving.__all__:
        assert getattr(aae_tf.serving, name).__name__ == name
    with pytest.raises(AttributeError, match=r"'aae_tf\.serving' has no attribute 'clients'"):
        _ = aae_tf.serving.clients
