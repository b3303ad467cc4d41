from tests.webhook.snapshot.conftest import no_threads_left

__all__ = ["no_threads_left"]
