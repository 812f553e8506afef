import sys

import numpy as np

from hdc.runtime.record import peak_memory


def test_the_peak_is_this_process_own_and_not_its_parents(call, root):
    large = np.ones(60_000_000)  # 480 MB, here in the parent
    code = "from hdc.runtime.record import peak_memory; print(peak_memory())"
    child = int(call(sys.executable, "-c", code, cwd=root, check=True).stdout)
    assert child < large.nbytes < peak_memory()


def test_the_peak_stays_when_the_memory_is_given_back(call, root):
    code = (
        "import numpy as np; from hdc.runtime.record import peak_memory; "
        "before = peak_memory(); np.ones(25_000_000); print(peak_memory() - before)"
    )
    grown = int(call(sys.executable, "-c", code, cwd=root, check=True).stdout)
    assert 190e6 < grown < 260e6
