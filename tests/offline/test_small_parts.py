import gc
import itertools
import threading
import time
import weakref

import numpy as np
import pytest

from aae_tf.offline.encode_files import map_in_order
from aae_tf.offline.manifest import fingerprint
from aae_tf.offline.record_decoder import is_layout_of
from aae_tf.offline.shards import Output, Shard, ShardWriter, group_consecutive, plan_shards


@pytest.mark.parametrize(
    ("found", "expected", "fits"),
    [
        ((28, 28), (28, 28, 1), True),
        ((28, 28, 1), (28, 28), True),
        ((1, 28, 28), (28, 28, 1), True),
        ((784,), (28, 28, 1), True),
        ((28, 28, 1), (784,), True),
        ((3, 32, 32), (32, 32, 3), False),
        ((27,), (28,), False),
        ((), (1,), True),
        ((), (2,), False),
        ((32, 32, 3), (3, 1024), False),
    ],
)
def test_layouts(found, expected, fits):
    assert is_layout_of(found, expected) is fits


class TestShards:
    @pytest.mark.parametrize(("rows", "count"), [(1, 1), (7, 3), (100, 7), (5, 5), (10**9, 12)])
    def test_divide_all_rows_evenly(self, rows, count):
        shards = plan_shards(rows, count)
        assert [shard.index for shard in shards] == list(range(count))
        assert (shards[0].start, shards[-1].stop) == (0, rows)
        assert all(a.stop == b.start for a, b in itertools.pairwise(shards))
        sizes = {shard.stop - shard.start for shard in shards}
        assert max(sizes) - min(sizes) <= 1 and min(sizes) >= 1

    @pytest.mark.parametrize(("rows", "count"), [(1, 1), (2**16, 1), (2**16 + 1, 2), (10**6, 16)])
    def test_default_is_one_for_65536_rows(self, rows, count):
        assert len(plan_shards(rows, None)) == count

    def test_without_rows_are_refused(self):
        message = r"Expected `shards` to be at most the number of rows, 3\. Received: shards=4\."
        with pytest.raises(ValueError, match=message):
            plan_shards(3, 4)

    def test_begin_with_a_batch_of_their_own(self):
        assert Shard(1, 2, 5, 12).batch_sizes(3) == [3, 3, 1]

    def test_are_named_so_that_names_sort(self):
        names = [shard.file_name("latents") for shard in plan_shards(200, 120)]
        assert names == sorted(names)
        assert names[7] == "latents-00007-of-00120.npy"

    def test_neighbours_are_read_together(self):
        shards = plan_shards(60, 6)
        groups = group_consecutive([shards[i] for i in (0, 1, 3, 5)])
        assert [[shard.index for shard in group] for group in groups] == [[0, 1], [3], [5]]


class TestShardWriter:
    SHARD = Shard(1, 3, 10, 14)
    OUTPUTS = {"latents": Output("float32", (2,)), "class_id": Output("int64", ())}
    ROWS = {"latents": np.arange(8, dtype=np.float32).reshape(4, 2), "class_id": np.arange(4)}

    def write(self, folder, rows):
        with ShardWriter(folder, self.SHARD, self.OUTPUTS) as writer:
            writer.write({name: values[:3] for name, values in self.ROWS.items()})
            assert not list(folder.glob("[!.]*")), "nothing appears before it is whole"
            writer.write({name: values[3:rows] for name, values in self.ROWS.items()})

    def test_files_are_those_of_np_save(self, tmp_path):
        self.write(tmp_path, 4)
        for name, rows in self.ROWS.items():
            file = tmp_path / self.SHARD.file_name(name)
            np.testing.assert_array_equal(np.load(file), rows)
            np.save(tmp_path / "oracle.npy", rows)
            assert file.read_bytes() == (tmp_path / "oracle.npy").read_bytes()

    def test_an_error_leaves_nothing(self, tmp_path):
        with pytest.raises(KeyError), ShardWriter(tmp_path, self.SHARD, self.OUTPUTS) as writer:
            writer.write({"latents": self.ROWS["latents"]})
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("damage", ["missing", "short", "other", "text"])
    def test_what_is_not_whole_is_not_finished(self, tmp_path, damage):
        self.write(tmp_path, 4)
        assert self.SHARD.is_finished(tmp_path, self.OUTPUTS)
        file = tmp_path / self.SHARD.file_name("class_id")
        if damage == "missing":
            file.unlink()
        elif damage == "short":
            file.write_bytes(file.read_bytes()[:-1])
        elif damage == "other":
            np.save(file, np.arange(4, dtype=np.int32))
        else:
            file.write_text("no array")
        assert not self.SHARD.is_finished(tmp_path, self.OUTPUTS)


class TestFingerprint:
    def test_small_files_are_read_whole(self, tmp_path):
        content = bytearray(np.random.default_rng(0).bytes(300_000))
        file = tmp_path / "a"
        file.write_bytes(content)
        before = fingerprint(file)
        for position in (0, 65_535, 65_536, 131_073, 200_000, 299_999):
            content[position] ^= 1
            file.write_bytes(content)
            assert fingerprint(file) != before
            content[position] ^= 1
        file.write_bytes(content)
        assert fingerprint(file) == before

    def test_large_files_are_sampled_up_to_their_end(self, tmp_path):
        file = tmp_path / "a"
        with file.open("wb") as sparse:
            sparse.truncate(10**11)
        started = time.monotonic()
        before = fingerprint(file)
        assert time.monotonic() - started < 5.0
        with file.open("r+b") as sparse:
            sparse.seek(10**11 - 1)
            sparse.write(b"a")
        assert fingerprint(file) != before

    def test_size_counts(self, tmp_path):
        found = set()
        for size in (0, 1, 2, 65_536, 65_537):
            (tmp_path / "a").write_bytes(bytes(size))
            found.add(fingerprint(tmp_path / "a"))
        assert len(found) == 5


class TestMapInOrder:
    def test_results_keep_the_order_of_the_items(self):
        # The later ones are done first.
        def slow(i):
            time.sleep(0.02 * (i % 3 == 0))
            return i * i

        assert list(map_in_order(slow, range(20), 3)) == [i * i for i in range(20)]

    def test_work_overlaps_with_making(self):
        made = threading.Event()

        def items():
            yield 0
            made.set()
            yield 1

        def wait(i):
            assert made.wait(5.0), "the next item is made while the first is at work"
            return i

        assert list(map_in_order(wait, items(), 1)) == [0, 1]

    @pytest.mark.parametrize("threads", [1, 2])
    def test_few_items_are_alive(self, threads):
        class Item:
            pass

        alive = weakref.WeakSet()
        most = 0

        def items():
            nonlocal most
            for _ in range(30):
                item = Item()
                alive.add(item)
                most = max(most, len(alive))
                yield item
                del item

        gc.disable()  # Counting references must do.
        try:
            for _ in map_in_order(lambda item: time.sleep(0.002), items(), threads):
                pass
        finally:
            gc.enable()
        assert threads + 1 <= most <= threads + 2

    def test_errors_of_items_and_of_work_come_through(self):
        def items():
            yield 1.0
            raise OSError("disk")

        with pytest.raises(OSError, match="disk"):
            list(map_in_order(lambda item: item, items(), 2))
        with pytest.raises(ZeroDivisionError):
            list(map_in_order(lambda item: 1 / item, [1, 0, 1], 2))

    def test_what_is_not_asked_for_stops_the_making(self):
        made = []

        def items():
            for i in range(100):
                made.append(i)
                yield i

        results = map_in_order(abs, items(), 2)
        next(results)
        results.close()
        assert len(made) <= 5
