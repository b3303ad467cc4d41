from tests.informers.conftest import nothing_left

__all__ = ["nothing_left"]
