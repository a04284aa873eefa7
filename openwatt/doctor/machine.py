"""The checks of the machine: shared limits in Redis, recent backups, free disks, and the right time."""

import datetime as dt
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import limits
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from openwatt.doctor.context import CheckContext
from openwatt.doctor.http_probe import ProbeError, poll, safe_url
from openwatt.doctor.programs import is_installed, run
from openwatt.doctor.results import (
    CheckFailedError,
    CheckSkippedError,
    CheckVerdict,
    join_names,
    ok,
    quantity,
    required,
)
from openwatt.doctor.service import scrape_metrics
from openwatt.domain.errors import OpenWattError
from openwatt.store.backup import newest_backup
from openwatt.store.server import server_of

#: Redis must answer within the short time that a request waits for it; once in a while it may not.
_REDIS_TIMEOUT_S = 0.1
_ATTEMPTS = 3
#: A worker that Redis made wait too long once counts in its memory until it tries again, every 5 s.
_LONGEST_FALLBACK_S = 7.0
#: A daily backup, and two hours in which it may be late.
OLDEST_BACKUP = dt.timedelta(hours=26)
#: Below this a PostgreSQL has no room to recover in, and logs none to be written.
LEAST_FREE_BYTES, LEAST_FREE_SHARE = 1024**3, 0.02
#: Logs of several machines are read side by side, and tokens of others expire: seconds matter.
MOST_OFF_DATABASE_S = 2.0
#: An HTTP Date has whole seconds, and a hurried server may take two.
MOST_OFF_PEER_S = 5.0


def check_limits(context: CheckContext) -> CheckVerdict:
    """Checks that limits are shared through Redis and that no worker has fallen back to its memory."""
    url = context.settings.redis_url
    if url is None:
        if context.settings.workers == 1:
            return ok("one worker counts for itself: there is no other to share with")
        raise CheckSkippedError("OPENWATT_REDIS_URL is not set: each worker counts its share")
    if _refused(url) != [False, False, True]:
        raise CheckFailedError(
            "what one connection counts another one does not see",
            "let OPENWATT_REDIS_URL name one Redis, not several",
        )
    if poll(lambda: _all_count_in_redis(context) or None, _LONGEST_FALLBACK_S) is None:
        raise CheckFailedError(
            "Redis answers here, and the service counts in its workers' memory",
            "give the service the same OPENWATT_REDIS_URL; it asks again every 5 s",
        )
    return ok("a limit counted over three connections holds; no worker counts for itself")


def _all_count_in_redis(context: CheckContext) -> bool:
    """Whether no worker of the service counts in its memory at this moment."""
    scrape = scrape_metrics(context, context.url.rstrip("/") + "/metrics")
    samples = scrape.get("openwatt_rate_limiter_degraded")
    if not samples:
        raise CheckFailedError(
            f"{safe_url(context.url)} does not say whether its workers count in Redis",
            "give the service's address with --url, or restart it with this code",
        )
    return not any(sample.value for sample in samples)


def _refused(url: str, attempts: int = _ATTEMPTS) -> list[bool]:
    """Counts three requests against a limit of two, each over a connection of its own: which are refused."""
    two_an_hour = limits.parse("2/hour")
    name = str(uuid.uuid4())
    try:
        return [not _redis_limiter(url).hit(two_an_hour, "doctor", name) for _ in range(3)]
    except StorageError as error:
        if attempts == 1:
            raise CheckFailedError(f"Redis does not answer: {error.storage_error}") from None
        return _refused(url, attempts - 1)


def _redis_limiter(url: str) -> SlidingWindowCounterRateLimiter:
    """A limiter by the service's strategy, with a connection of its own that is made at its first use."""
    try:
        storage = RedisStorage(
            url,
            key_prefix="openwatt:doctor",
            wrap_exceptions=True,
            socket_timeout=_REDIS_TIMEOUT_S,
            socket_connect_timeout=_REDIS_TIMEOUT_S,
        )
    except Exception:  # noqa: BLE001  the library raises all kinds, and their texts may hold the password
        raise CheckFailedError(
            "the address of Redis cannot be used", "look at OPENWATT_REDIS_URL: redis://:password@host:6379/0"
        ) from None
    return SlidingWindowCounterRateLimiter(storage)


def check_backup(context: CheckContext) -> CheckVerdict:
    """Checks that the newest backup is recent and not empty."""
    folder = required(context.settings.backup_dir, "OPENWATT_BACKUP_DIR")
    backup = newest_backup(folder)
    if backup is None:
        raise CheckFailedError(f"there is no backup in {folder}")
    age = context.now() - backup.taken_at
    hours = age.total_seconds() / 3600
    message = f"{backup.path.name}, {hours:.0f} h old, {backup.size_bytes / 1e6:.1f} MB"
    if age > OLDEST_BACKUP or not backup.size_bytes:
        raise CheckFailedError(message)
    return ok(message)


def check_disk(context: CheckContext) -> CheckVerdict:
    """Checks that the disks of data, logs and backups have enough free space and inodes."""
    settings = context.settings
    spool = settings.workers * settings.log_spool_mb * 1_000_000 if settings.logstash_url else 0
    folders = {"data": (settings.data_dir, spool)}
    if settings.log_file is not None:
        folders["log"] = (settings.log_file.parent, 0)
    if settings.backup_dir is not None:
        folders["backups"] = (settings.backup_dir, 0)
    seen, faults = [], []
    for name, (folder, reserved) in folders.items():
        there = next(one for one in (folder.resolve(), *folder.resolve().parents) if one.exists())
        free, total = shutil.disk_usage(there).free, shutil.disk_usage(there).total
        least = max(LEAST_FREE_BYTES, int(total * LEAST_FREE_SHARE)) + reserved
        room = os.statvfs(there)
        seen.append(f"{name} {free / 1e9:.0f} GB free")
        if free < least:
            why = " with the log spool" if reserved else ""
            faults.append(f"{there} ({name}) has {free / 1e9:.1f} GB free, {least / 1e9:.1f} are needed{why}")
        elif room.f_files and room.f_favail < room.f_files * LEAST_FREE_SHARE:
            faults.append(f"{there} ({name}) has {quantity(room.f_favail, 'inode')} left")
    if faults:
        raise CheckFailedError("; ".join(faults))
    return ok(", ".join(seen))


def check_clock(context: CheckContext) -> CheckVerdict:
    """Checks that the clock agrees with those of the database and the servers, and is set by NTP."""
    offsets = dict(_offsets(context))
    synchronised = _is_synchronised()
    wrong = [
        f"{peer} is {abs(off):.1f} s {'ahead' if off > 0 else 'behind'}"
        for peer, (off, most) in offsets.items()
        if abs(off) > most
    ]
    if wrong:
        raise CheckFailedError(
            join_names(wrong), "let both keep their time by NTP: timedatectl set-ntp true, or chrony"
        )
    if synchronised is False:
        raise CheckFailedError("no NTP server keeps this machine's time")
    if not offsets and synchronised is None:
        raise CheckSkippedError("neither a database nor another server nor an NTP service can give the time")
    by = "set by NTP" if synchronised else "no NTP service is there"
    if not offsets:
        return ok(by)
    furthest = max((off for off, _ in offsets.values()), key=abs)
    return ok(f"{quantity(len(offsets), 'other clock')} get_data, {abs(furthest):.1f} s off at most; {by}")


def _offsets(context: CheckContext) -> Iterator[tuple[str, tuple[float, float]]]:
    """Yields for each server how many seconds its clock is ahead of ours, and how many it may be."""
    try:
        with context.database() as database:
            before = context.now()
            server_at = server_of(database).server_at
            middle = before + (context.now() - before) / 2
        yield "the database", ((server_at - middle).total_seconds(), MOST_OFF_DATABASE_S)
    except OpenWattError:
        pass
    ours = context.settings
    peers = (ours.prometheus_url, ours.grafana_url, ours.elasticsearch_url, ours.sentry_url)
    for peer in (f"{context.url.rstrip('/')}/health", *(one for one in peers if one)):
        try:
            before = context.now()
            date = context.http.request(peer).headers.get("Date")
            middle = before + (context.now() - before) / 2
            if date:
                # Whole seconds, cut off: on the average half of one is missing.
                at = parsedate_to_datetime(date) + dt.timedelta(seconds=0.5)
                yield safe_url(peer), ((at - middle).total_seconds(), MOST_OFF_PEER_S)
        except (ProbeError, ValueError):
            continue


def _is_synchronised() -> bool | None:
    """Whether an NTP service keeps the time; None where there is none (a container has its host's)."""
    if is_installed("chronyc"):
        done = run("chronyc", "-n", "tracking")
        if done.returncode == 0:
            return re.search(r"^Leap status\s*:\s*Normal$", done.stdout, re.MULTILINE) is not None
    if is_installed("timedatectl"):
        done = run("timedatectl", "show", "--property=NTPSynchronized", "--value")
        if done.returncode == 0 and done.stdout.strip() in {"yes", "no"}:
            return done.stdout.strip() == "yes"
    return None
