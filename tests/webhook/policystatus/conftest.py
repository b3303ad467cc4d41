from tests.webhook.snapshot.conftest import nothing_left

__all__ = ["nothing_left"]
