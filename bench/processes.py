"""Processes side by side, for measurements on virtual time: nothing that they measure depends on their pace."""

import logging
import multiprocessing
import signal
from multiprocessing.pool import Pool


def open_pool(processes: int) -> Pool:
    """Fresh processes that leave Ctrl-C to this one and log nothing; a context that ends them."""
    return multiprocessing.get_context("spawn").Pool(processes, initializer=_prepare)


def _prepare() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("sync").setLevel(logging.CRITICAL)
