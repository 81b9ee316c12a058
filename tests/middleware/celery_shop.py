"""A Celery application, for the worker that a test starts and for the program that sends to it."""

import os

from celery import Celery

import mlobs
from mlobs.instrument.middleware import celery

folder = os.environ["SHOP"]
app = Celery("shop", broker="filesystem://", backend=f"file://{folder}/results")
app.conf.update(
    broker_transport_options={
        "data_folder_in": f"{folder}/queue",
        "data_folder_out": f"{folder}/queue",
        "control_folder": f"{folder}/control",
        "store_processed": False,
    },
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)
mlobs.init("shop", endpoint=os.environ["SINK"])
celery.FLUSH_S = 60.0  # The machine may be busy.
celery.instrument()


@mlobs.tool
def price(order: str) -> str:
    return f"{order}!"


@app.task(name="shop.quote")
def quote(order):
    return price(order)


@app.task(name="shop.chain")
def chain(order):
    quote.delay(order)


@app.task(name="shop.fail")
def fail():
    raise ValueError("no such order")


@app.task(name="shop.expected", throws=(KeyError,))
def expected():
    raise KeyError("often")


@app.task(name="shop.flaky", bind=True, max_retries=3, default_retry_delay=0)
def flaky(self):
    if self.request.retries < 2:
        raise self.retry(exc=ConnectionError("gone"), countdown=0)
    return price("late")
