"""Every way in and every container of data give the same answers to the same faults."""

import inspect
import warnings

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from aae_tf import (
    AAE,
    GAN,
    LabelGuidedAAE,
    SemiSupervisedAAE,
    SupervisedAAE,
    evaluation,
    networks,
    priors,
)
from tests.models.small import Batches, build, build_classifier

pytestmark = pytest.mark.usefixtures("eager_steps")

ROWS, CLASSES = 24, 3
TABLE = np.random.default_rng(0).random((ROWS, 4), dtype="float32")
IMAGES = np.random.default_rng(1).random((ROWS, 4, 4, 1), dtype="float32")
LABELS = np.arange(ROWS) % CLASSES
NAMES = ["age", "income", "height", "weight"]


class Tensor:
    """A tensor of another framework, on a device, that asks for a gradient."""

    def __init__(self, array):
        self.array = array

    def detach(self):
        return self

    def cpu(self):
        return self.array


def _generator(*arrays):
    batches = Batches(*arrays, size=12)
    return (batches[index] for index in (0, 1))


def _frames(*arrays):
    return tuple(pd.DataFrame(a) if a.ndim == 2 else pd.Series(a) for a in arrays)


PIPELINES = {
    "tf.data": lambda *arrays: (tf.data.Dataset.from_tensor_slices(arrays).batch(12),),
    "PyDataset": lambda *arrays: (Batches(*arrays, size=12),),
    "generator": lambda *arrays: (_generator(*arrays),),
}
ARRAYS = {
    "array": lambda *arrays: arrays,
    "tensor": lambda *arrays: tuple(map(tf.constant, arrays)),
    "other tensor": lambda *arrays: tuple(map(Tensor, arrays)),
    "list": lambda *arrays: tuple(list(array) for array in arrays),
    "frame": lambda *arrays: _frames(*arrays),
}
CONTAINERS = {**ARRAYS, **PIPELINES}


def _fit(model, *data):
    # Keras does not know where a generator ends.
    return model.fit(*data, steps_per_epoch=2 if inspect.isgenerator(data[0]) else None, verbose=0)


def _validate(model, *data):
    good = (TABLE, LABELS) if len(model.encoder.input_shape) == 2 else (IMAGES, LABELS)
    # To Keras a list is a tuple of inputs, targets and weights.
    alone = len(data) == 1 and not isinstance(data[0], list)
    return model.fit(*good, validation_data=data[0] if alone else data, verbose=0)


WAYS = {
    "fit": _fit,
    "evaluate": lambda model, *data: model.evaluate(*data, verbose=0),
    "validation_data": _validate,
}
ON_BATCH = {
    "train_on_batch": lambda model, *data: model.train_on_batch(*data),
    "test_on_batch": lambda model, *data: model.test_on_batch(*data),
}
CELLS = [
    *((way, container) for way in WAYS for container in CONTAINERS),
    *((way, container) for way in ON_BATCH for container in ARRAYS),
]


def _aae(x, **compile_arguments):
    model = build(AAE, 2, x.shape[1:], prior=priors.gaussian(2), divergence="mmd")
    model.compile(**compile_arguments)
    return model


def _supervised(x=TABLE):
    model = build(
        SupervisedAAE,
        2 + CLASSES,
        x.shape[1:],
        prior=priors.gaussian(2),
        num_classes=CLASSES,
        divergence="mmd",
    )
    model.compile()
    return model


def _changed(array, index, value):
    array = array.copy()
    array[index] = value
    return array


# By name: the model, the data, and what is said of them, whichever way they come.
FAULTS = {
    "8-bit integers": (
        lambda: _aae(IMAGES),
        ((255 * IMAGES).astype("uint8"),),
        TypeError,
        r"to be an array of floats .* dtype=uint8\. Scale 8-bit pixels: .* / 255\.",
    ),
    "integers": (lambda: _aae(TABLE), (np.ones((ROWS, 4), int),), TypeError, "array of floats"),
    "no channel axis": (
        lambda: _aae(IMAGES),
        (IMAGES[..., 0],),
        ValueError,
        r"rows of shape \(4, 4, 1\).* Add the channel axis: .*\[\.\.\., None\]",
    ),
    "out of range": (
        lambda: _aae(TABLE, reconstruction_loss="bernoulli"),
        (2.0 * TABLE,),
        ValueError,
        r"in \[0, 1\] with reconstruction_loss='bernoulli'\. Received: .* from 0\.\d+ to 1\.\d+",
    ),
    "label K": (
        _supervised,
        (TABLE, LABELS + 1),
        ValueError,
        r"classes from 0 to 2, .*labels of 3 classes.*\[2\]=3\.",
    ),
    "unknown label": (
        _supervised,
        (TABLE, _changed(LABELS, 3, -1)),
        ValueError,
        r"to hold the label of every row\. .* 1 of them unknown",
    ),
    "float labels": (
        _supervised,
        (TABLE, LABELS.astype("float32")),
        TypeError,
        "to be an array of integers, the class of each row",
    ),
    "one-hot labels": (
        _supervised,
        (TABLE, np.eye(CLASSES, dtype=int)[LABELS]),
        ValueError,
        r"the class of each row\. .*argmax\(axis=1\)",
    ),
    "targets of another shape": (
        lambda: _aae(TABLE),
        (TABLE, TABLE[:, :3]),
        ValueError,
        r"rows of shape \(4,\)",
    ),
}


@pytest.mark.sampled
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_alike_whichever_way_the_data_come_in(fault):
    make, arrays, error, message = FAULTS[fault]
    model = make()
    for way, container in CELLS:
        if container == "frame" and any(array.ndim > 2 for array in arrays):
            continue
        data = CONTAINERS[container](*arrays)
        with pytest.raises(error, match=message):
            {**WAYS, **ON_BATCH}[way](model, *data)
            pytest.fail(f"{way} took {fault} in a {container}")
    if fault in ("8-bit integers", "integers", "no channel axis"):
        for predict in (model.predict, model.predict_on_batch):
            with pytest.raises(error, match=message):
                predict(*arrays)
        with pytest.raises(error, match=message):
            model.predict(PIPELINES["tf.data"](*arrays)[0], verbose=0)
    # Validation data are looked at before training starts, but for those that are read in it.
    assert model.optimizer.iterations <= 2 * len(PIPELINES)


@pytest.mark.sampled
@pytest.mark.parametrize("container", CONTAINERS)
def test_the_same_data_train_alike_in_every_container(container):
    model, arrays = _supervised(), (TABLE, LABELS)
    data = CONTAINERS[container](*arrays)
    options = {} if container in PIPELINES else {"batch_size": 12}
    if container == "generator":
        options["steps_per_epoch"] = 2
    history = model.fit(*data, shuffle=False, verbose=0, **options).history
    expected = _supervised().fit(TABLE, LABELS, 12, shuffle=False, verbose=0).history
    assert history == expected
    if container in ARRAYS:
        losses = model.test_on_batch(*data)
        assert losses == pytest.approx(model.test_on_batch(TABLE, LABELS))
        np.testing.assert_array_equal(model.predict(data[0], verbose=0), model.predict(TABLE))


class TestNonFinite:
    BAD = _changed(TABLE, (3, 2), np.nan)

    @pytest.mark.sampled
    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("container", ARRAYS)
    def test_arrays_are_refused(self, way, container):
        message = r"to have finite values\. Received: .*\[3, 2\]=nan"
        if container == "frame":
            message += r" \(row 3, column 'height'\)"
        data = CONTAINERS[container](self.BAD)
        if container == "frame":
            data = (pd.DataFrame(self.BAD, columns=NAMES),)
        with pytest.raises(ValueError, match=message):
            WAYS[way](_aae(TABLE), *data)

    @pytest.mark.sampled
    @pytest.mark.parametrize("container", PIPELINES)
    @pytest.mark.usefixtures("graph_steps")
    def test_a_pipeline_is_warned_of_and_its_finite_batches_train(self, container):
        model = _aae(TABLE)
        where = "the inputs hold nan: row 3 of the batch, column 2"
        with (
            pytest.warns(UserWarning, match=r"The first batch of `x` .*: x\[3, 2\]=nan\."),
            pytest.warns(UserWarning, match=f"An update was skipped in epoch 1, since {where}"),
            pytest.warns(UserWarning, match=f"The guard skipped 1 of 2 batches, since {where}"),
        ):
            history = _fit(model, *PIPELINES[container](self.BAD)).history
        assert np.isfinite(history["reconstruction_loss"]).all()
        assert history["skipped_updates"] == [1.0]
        with pytest.raises(ValueError, match=r"Received: x\[3, 2\]=nan"):
            model.evaluate(*PIPELINES[container](self.BAD), verbose=0)

    @pytest.mark.parametrize("container", PIPELINES)
    def test_a_pipeline_is_refused_without_a_guard(self, container):
        with pytest.raises(ValueError, match=r"Received: x\[3, 2\]=nan"):
            _aae(TABLE, guard=None).fit(*PIPELINES[container](self.BAD), verbose=0)


@pytest.mark.thorough
def test_a_label_out_of_range_in_a_later_batch_ends_the_training():
    for labels in (_changed(LABELS, 20, 3), _changed(LABELS, 20, -1)):
        for container in PIPELINES.values():
            with pytest.raises(ValueError, match=r"classes from 0 to 2 \(labels of 3 classes\)"):
                _supervised().fit(*container(TABLE, labels), verbose=0)


@pytest.mark.thorough
def test_strings_and_categories_say_how_to_number_them():
    names = pd.Series(np.array(["cat", "cow", "dog"])[LABELS])
    for labels in (names, names.astype("category"), list(names), names.to_numpy()):
        with pytest.raises(TypeError, match=r"pandas\.factorize\(y\).*StringLookup"):
            _supervised().fit(TABLE, labels, verbose=0)
    missing = pd.Series(LABELS.astype(float)).mask(LABELS == 2)
    with pytest.raises(TypeError, match=r"numpy\.nan_to_num\(y, nan=-1\)\.astype\(int\)"):
        _supervised().fit(TABLE, missing, verbose=0)
    # A model that looks at no labels takes any.
    _aae(TABLE).fit(TABLE, names, verbose=0)


def test_a_frame_with_a_column_of_text_names_it():
    frame = pd.DataFrame(TABLE, columns=NAMES).assign(weight="heavy")
    with pytest.raises(TypeError, match=r"columns of numbers\. Received: column 'weight' of dtype"):
        _aae(TABLE).fit(frame, verbose=0)


def test_missing_numbers_of_a_frame_are_nan():
    frame = pd.DataFrame(TABLE, columns=NAMES).convert_dtypes()
    frame.loc[5, "income"] = pd.NA
    with pytest.raises(ValueError, match=r"x\[5, 1\]=nan \(row 5, column 'income'\)"):
        _aae(TABLE).fit(frame, verbose=0)


class TestTargets:
    CLEAN = np.random.default_rng(2).random((ROWS, 4), dtype="float32")

    @pytest.mark.sampled
    @pytest.mark.parametrize("container", CONTAINERS)
    def test_outputs_are_compared_with_targets(self, container):
        model = _aae(TABLE)
        data = CONTAINERS[container](TABLE, self.CLEAN)
        steps = 2 if container == "generator" else None
        losses = model.evaluate(*data, steps=steps, verbose=0, return_dict=True)
        error = 0.5 * ((model.reconstruct(TABLE) - self.CLEAN) ** 2).sum(axis=1).mean()
        assert losses["reconstruction_loss"] == pytest.approx(error, rel=1e-5)
        _fit(model, *CONTAINERS[container](TABLE, self.CLEAN))

    @pytest.mark.sampled
    @pytest.mark.parametrize("schedule", ["joint", "alternating"])
    def test_targets_are_learned(self, schedule):
        model = _aae(TABLE, optimizer=keras.optimizers.Adam(0.05), schedule=schedule)
        far = np.full_like(TABLE, 0.9)
        before = np.abs(model.reconstruct(TABLE) - far).mean()
        model.fit(
            TABLE, far, epochs=12, validation_data=(TABLE, far), validation_freq=12, verbose=0
        )
        assert np.abs(model.reconstruct(TABLE) - far).mean() < 0.5 * before

    @pytest.mark.thorough
    def test_targets_come_beside_labels(self):
        model = _supervised()
        y = {"targets": self.CLEAN, "labels": LABELS}
        both = model.evaluate(TABLE, y, batch_size=12, verbose=0, return_dict=True)
        dataset = tf.data.Dataset.from_tensor_slices((TABLE, y)).batch(12)
        piped = model.evaluate(dataset, verbose=0, return_dict=True)
        assert piped == pytest.approx(both)
        alone = model.evaluate(TABLE, LABELS, batch_size=12, verbose=0, return_dict=True)
        assert abs(both["reconstruction_loss"] - alone["reconstruction_loss"]) > 1e-3
        model.fit(TABLE, y, sample_weight=np.ones(ROWS), verbose=0)
        model.fit(dataset, verbose=0)
        model.train_on_batch(TABLE, y)

    def test_what_is_no_target_is_refused(self):
        with pytest.raises(ValueError, match=r"labels, targets, or a dict of .*keys \['clean'\]"):
            _aae(TABLE).fit(TABLE, {"clean": self.CLEAN}, verbose=0)
        with pytest.raises(ValueError, match=r"24 targets, .* y\.shape=\(20, 4\)"):
            _aae(TABLE).fit(TABLE, self.CLEAN[:20], verbose=0)
        with pytest.raises(ValueError, match=r"`y` in \[0, 1\] with .*'bernoulli'"):
            _aae(TABLE, reconstruction_loss="bernoulli").fit(TABLE, 2.0 * TABLE, verbose=0)
        with pytest.raises(ValueError, match=r"labels, integers \[24\]"):
            _supervised().fit(TABLE, {"targets": self.CLEAN}, verbose=0)
        gan = build(GAN, 2, (4,), prior=priors.gaussian(2), divergence="mmd")
        gan.compile()
        with pytest.raises(ValueError, match="without targets: GAN reconstructs no inputs"):
            gan.fit(TABLE, self.CLEAN, verbose=0)


class TestWhatIsNoData:
    def test_nothing_is_refused(self):
        for method in (AAE.fit, AAE.evaluate):
            with pytest.raises(ValueError, match=r"`x` to be inputs: .* Received: x=None\."):
                method(_aae(TABLE), None)
        with pytest.raises(ValueError, match=r"at least one row\. Received: x\.shape=\(0, 4\)"):
            _aae(TABLE).fit(TABLE[:0], verbose=0)
        with pytest.raises(ValueError, match=r"`x` to yield batches\. .*at its end"):
            _aae(TABLE).fit((batch for batch in ()), verbose=0)
        fields = tf.data.Dataset.from_tensor_slices({"image": TABLE, "label": LABELS}).batch(12)
        with pytest.raises(TypeError, match="`x` to yield inputs as one tensor"):
            _aae(TABLE).fit(fields, verbose=0)

    @pytest.mark.sampled
    @pytest.mark.parametrize("size", [0, -1, 2.5])
    @pytest.mark.parametrize("name", ["batch_size", "validation_batch_size"])
    def test_batch_sizes_are_positive_integers(self, name, size):
        message = rf"`{name}` to be a positive integer\. Received: {name}={size}\."
        with pytest.raises(ValueError, match=message):
            _aae(TABLE).fit(TABLE, verbose=0, **{name: size})
        if name == "batch_size":
            for method in (AAE.evaluate, AAE.predict):
                with pytest.raises(ValueError, match=message):
                    method(_aae(TABLE), TABLE, batch_size=size, verbose=0)

    def test_equal_rows_of_a_first_batch_are_refused(self):
        for container in PIPELINES.values():
            with pytest.raises(ValueError, match=r"rows that differ\. .* 12 equal rows"):
                _aae(TABLE).fit(*container(np.full_like(TABLE, 0.5)), verbose=0)
        # Two equal rows may be chance.
        _aae(TABLE).train_on_batch(TABLE[[0, 0]])


@pytest.mark.thorough
def test_a_batch_without_a_known_label_is_one_of_many():
    arguments = {"style_prior": priors.gaussian(2), "style_divergence": "mmd"}
    model = build(SemiSupervisedAAE, 5, class_divergence="mmd", num_classes=3, **arguments)
    guided = build(LabelGuidedAAE, 2, prior=priors.ring_mixture(3), num_classes=3, divergence="mmd")
    for each in (model, guided):
        each.compile()
        labels = np.where(np.arange(ROWS) < 12, -1, LABELS)
        for container in PIPELINES.values():
            _fit(each, *container(TABLE, labels))
        each.train_on_batch(TABLE[:12], labels[:12])


def test_a_data_set_is_read_once_in_each_epoch():
    read = []

    def rows():
        read.append(1)
        yield from TABLE

    spec = tf.TensorSpec([4], tf.float32)
    dataset = tf.data.Dataset.from_generator(rows, output_signature=spec).batch(12)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(2))
    _aae(TABLE).fit(dataset, epochs=2, verbose=0)
    assert len(read) == 2


class TestRangeOfOutputs:
    STANDARDIZED = np.random.default_rng(3).standard_normal((ROWS, 4)).astype("float32")

    @pytest.mark.thorough
    def test_values_beyond_a_sigmoid_are_warned_of(self):
        for data in (self.STANDARDIZED,), PIPELINES["tf.data"](self.STANDARDIZED):
            with pytest.warns(UserWarning, match=r"ends in a sigmoid.* output_activation='linear'"):
                _aae(TABLE).fit(*data, verbose=0)
        with pytest.warns(UserWarning, match="ends in a sigmoid"):
            _aae(TABLE).fit(TABLE, self.STANDARDIZED, verbose=0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _aae(TABLE).fit(self.STANDARDIZED, TABLE, verbose=0)
            linear = networks.mlp_decoder((4,), 2, units=(8,), output_activation="linear", seed=2)
            model = build(AAE, decoder=linear, prior=priors.gaussian(2), divergence="mmd")
            model.compile()
            model.fit(self.STANDARDIZED, verbose=0)

    def test_probabilities_of_a_linear_decoder_are_warned_of(self):
        inner = networks.mlp_decoder((4,), 2, units=(8,), output_activation="linear", seed=2)
        dense = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
        nested = keras.Sequential([keras.Input((2,)), inner, keras.layers.Reshape((4,))])
        for decoder in (inner, dense, nested):
            model = build(AAE, decoder=decoder, prior=priors.gaussian(2), divergence="mmd")
            with pytest.warns(UserWarning, match="ends linearly, and reconstruction_loss='bern"):
                model.compile(reconstruction_loss="bernoulli")

    def test_an_encoder_that_rescales_is_named(self):
        inputs = keras.Input((4, 4, 1))
        x = keras.layers.Rescaling(1 / 255, name="to_unit")(inputs)
        encoder = keras.Model(inputs, keras.layers.Dense(8)(keras.layers.Flatten()(x)))
        pixels = np.rint(255.0 * IMAGES)
        model = build(
            AAE, 2, (4, 4, 1), encoder=encoder, prior=priors.gaussian(2), divergence="mmd"
        )
        model.compile()
        with pytest.warns(UserWarning, match=r"layer 'to_unit'.* fit\(x, x / 255\)"):
            model.fit(pixels, verbose=0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model.fit(pixels, pixels / 255.0, verbose=0)


def test_an_encoder_of_integers_is_refused_when_the_model_is_made():
    inputs = keras.Input((4,), dtype="int32")
    encoder = keras.Model(inputs, keras.layers.Dense(8)(keras.layers.CategoryEncoding(5)(inputs)))
    with pytest.raises(ValueError, match=r"`encoder` to take floats\. Received: .*dtype=int32"):
        build(AAE, 2, encoder=encoder, prior=priors.gaussian(2))


class TestOtherMethods:
    FRAME = pd.DataFrame(TABLE, columns=NAMES)

    def test_they_take_what_fit_takes(self):
        model = build_classifier((4,))
        for method in (model.encode, model.reconstruct, model.classify):
            expected = method(TABLE)
            np.testing.assert_array_equal(method(self.FRAME), expected)
            for container in PIPELINES.values():
                given = method(*container(TABLE, LABELS))
                np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-6)
        scores = model.score(*PIPELINES["tf.data"](TABLE))
        for name, values in model.score(TABLE).items():
            np.testing.assert_allclose(scores[name], values, rtol=1e-4)

    @pytest.mark.thorough
    def test_evaluation_takes_pairs(self):
        model = build_classifier((4,))
        model.compile()
        expected = evaluation.evaluate_model(model, TABLE, LABELS, validation=(TABLE, LABELS))
        pipeline = PIPELINES["tf.data"](TABLE, LABELS)[0]
        numbers = evaluation.evaluate_model(model, pipeline, validation=pipeline)
        assert numbers["classification"] == expected["classification"]
        for name in ("label_probe_accuracy", "mutual_information_gap", "dci"):
            assert numbers[name] == expected[name]
        assert numbers["losses"] == pytest.approx(expected["losses"])
