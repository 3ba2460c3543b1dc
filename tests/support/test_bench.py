"""What measures running times: seconds and memory of a command, whatever it says."""

import sys

import pytest
from run_notebooks import ROOT

sys.path.insert(0, str(ROOT / "book" / "appendices"))
import bench


def test_a_command_that_says_much_comes_to_its_end(tmp_path):
    seconds, megabytes = bench.measure(
        [sys.executable, "-c", "import sys, time; sys.stderr.write('x' * 1_000_000); time.sleep(1)"], tmp_path
    )
    assert 0 < seconds < 60 and megabytes > 1


def test_what_a_command_says_is_in_the_error(tmp_path):
    with pytest.raises(RuntimeError, match=r"failed: .*no such thing"):
        bench.measure([sys.executable, "-c", "raise SystemExit('no such thing')"], tmp_path)
