"""Broker: one Celery configuration for publishers and workers, and the publisher itself.

Messages carry the job's id and the time at which they were sent. The values and their reasons are in docs/reliability.md.
"""

import time
from typing import Any

import redis
from celery import Celery
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError

from imgen.domain.errors import Unavailable
from imgen.domain.job import FINISH_TASK, RENDER_TASK, TASK_LIMIT_S

VISIBILITY_TIMEOUT_S = TASK_LIMIT_S + 30
"""The shortest time-out of all processes on a broker applies to all, so they share this one."""
SOCKET_TIMEOUT_S = 5
BUCKETS = (0, 3, 6, 9)
KEY_PREFIX = "imgen:broker:"
PRIORITY_SEPARATOR = "\x06\x16"
"""Between queue and priority in the names of lists (kombu.transport.redis.Channel.sep)."""
PUBLISHED_AT = "published_at"
"""Header of a message: Unix time; queue_order.py chooses by it."""


def broker_url(redis_url: str) -> str:
    """Converts a redis-py URL to kombu's form; only Unix sockets differ."""
    if not redis_url.startswith("unix://"):
        return redis_url
    path, _, query = redis_url.removeprefix("unix://").partition("?")
    database = query.removeprefix("db=")
    return f"redis+socket://{path}" + (f"?virtual_host={database}" if database else "")


def celery_settings(redis_url: str) -> dict[str, Any]:
    """Returns settings of Celery on Redis: few messages are lost, and it recovers quickly after a fault."""
    return {
        "broker_url": broker_url(redis_url),
        "result_backend": None,
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_time_limit": TASK_LIMIT_S,
        "task_create_missing_queues": True,
        "task_default_priority": 3,
        "worker_prefetch_multiplier": 1,
        "worker_hijack_root_logger": False,
        "worker_send_task_events": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            "unacked_restore_interval": 2,
            "unacked_restore_throttle": 1,
            "socket_timeout": SOCKET_TIMEOUT_S,
            "socket_connect_timeout": SOCKET_TIMEOUT_S,
            "health_check_interval": SOCKET_TIMEOUT_S,
            "priority_steps": list(BUCKETS),
            "queue_order_strategy": "priority",
            "global_keyprefix": KEY_PREFIX,
        },
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0, "interval_step": 0.2},
    }


def declared(name: str) -> Queue:
    """Declares a queue with its own exchange and routing key: Celery's defaults would join all queues into one."""
    return Queue(name, Exchange(name, type="direct"), routing_key=name)


def lists_of(queue: str) -> list[str]:
    """Returns the names of a queue's lists in Redis, one for each priority, the most urgent first."""
    name = f"{KEY_PREFIX}{queue}"
    return [name, *(f"{name}{PRIORITY_SEPARATOR}{bucket}" for bucket in BUCKETS[1:])]


class Publisher:
    """Publisher of job ids to queues. Blocking, about a millisecond; thread-safe."""

    def __init__(self, redis_url: str) -> None:
        self._app = Celery("imgen", set_as_current=False)
        self._app.conf.update(celery_settings(redis_url))
        self._redis = redis.Redis.from_url(
            redis_url, socket_timeout=SOCKET_TIMEOUT_S, socket_connect_timeout=SOCKET_TIMEOUT_S, protocol=2
        )

    def publish(self, queue: str, job_id: str, priority: int) -> None:
        """Sends one message.

        Raises:
            Unavailable: the broker refuses it; the reconciler will send it later.
        """
        task = RENDER_TASK if queue.startswith(RENDER_TASK) else FINISH_TASK
        try:
            self._app.send_task(
                task,
                args=[job_id],
                queue=declared(queue),
                priority=priority,
                headers={PUBLISHED_AT: time.time()},
                ignore_result=True,
            )
        except (OperationalError, redis.RedisError, OSError) as exc:
            raise Unavailable from exc

    def depth(self, queue: str) -> int:
        """Counts the unclaimed messages of the queue, over all priorities."""
        try:
            pipeline = self._redis.pipeline(transaction=False)
            for key in lists_of(queue):
                pipeline.llen(key)
            return sum(pipeline.execute())
        except (redis.RedisError, OSError) as exc:
            raise Unavailable from exc

    def close(self) -> None:
        """Closes the connections."""
        self._app.close()
        self._redis.close()
