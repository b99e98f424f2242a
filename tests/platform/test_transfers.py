"""The rules of backups without a control plane: what is restored of an archive, what is kept, when, and the bucket itself."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.fix_bucket import BucketServer, Web

from changeover.errors import BadSetting, ChangeoverError, DiskFull, InvalidParams
from changeover.errors.transfers import (
    BackupFailed,
    BackupGone,
    BucketMissing,
    BucketRefused,
    BucketUnreachable,
)
from changeover.hosts.network import Reach
from changeover.platform.transfers import bucket as bucket_module
from changeover.platform.transfers.archive import Contents, Dumped, Present, Restored
from changeover.platform.transfers.bucket import Bucket
from changeover.platform.transfers.origins import InBucket, OnHost, OnWeb, origin_of
from changeover.platform.transfers.restoring import another_way, schemas_of
from changeover.platform.transfers.retention import keeping_of, surplus
from changeover.platform.transfers.schedules import checked_hour, checked_zone, next_backup
from changeover.postgres.toc import Head, TocEntry
from changeover.store.transfer_rows import TransferRow


def entry(number: int, kind: str, name: str, schema: str = "public", definition: bytes = b"") -> TocEntry:
    return TocEntry(number, 1259, 16000 + number, kind, schema, name, "u", definition, "", "", ())


def contents(*entries: TocEntry) -> Contents:
    return Contents.of(Head((1, 14), 1, entries))


def numbers(found: Iterable[TocEntry]) -> list[int]:
    return [one.number for one in found]


# -- archives


def test_what_is_reserved_or_there_already_is_left_out_of_a_restore() -> None:
    listed = contents(
        entry(1, "SCHEMA", "X", ""), entry(2, "SCHEMA", "_heroku", ""), entry(3, "SCHEMA", "public", ""),
        entry(4, "EXTENSION", "pg_stat_statements", ""), entry(5, "COMMENT", "EXTENSION pg_stat_statements", ""),
        entry(6, "EXTENSION", "citext", ""), entry(7, "EXTENSION", "postgis", ""), entry(8, "FUNCTION", "f()", "_heroku"),
        entry(9, "TABLE", "a b"), entry(10, "COMMENT", 'TABLE "a b"'), entry(11, "TABLE DATA", "a b"),
        entry(12, "EVENT TRIGGER", "watch", ""), entry(13, "CONSTRAINT", "a b a b_pkey"), entry(14, "PUBLICATION", "p", ""),
        entry(15, "SCHEMA", "ext", ""), entry(16, "COMMENT", "SCHEMA _heroku", ""), entry(17, "COMMENT", "EXTENSION citext", ""),
        entry(18, "EXTENSION", "uuid-ossp", ""), entry(19, "COMMENT", 'EXTENSION "uuid-ossp"', ""),
    )  # fmt: skip

    wanted = listed.wanted(Present(frozenset({"citext"}), frozenset({"ext"})))

    assert numbers(wanted) == [1, 7, 9, 10, 11, 13, 14, 18, 19]


@pytest.mark.parametrize(
    "schema", ["_heroku x", "public data", "_changeover\n", "ACL", "a.b", " _heroku", "_Heroku", "EXTENSION"]
)
def test_a_schema_that_only_looks_reserved_is_restored(schema: str) -> None:
    listed = contents(
        entry(1, "SCHEMA", schema, ""), entry(2, "TABLE", "t", schema), entry(3, "TABLE DATA", "t", schema)
    )

    assert numbers(listed.wanted(Present())) == [1, 2, 3]


def test_an_extension_that_tables_may_need_is_missed_before_anything_is_changed() -> None:
    listed = contents(
        entry(1, "EXTENSION", "pg_stat_statements", ""), entry(2, "EXTENSION", "citext", ""),
        entry(3, "EXTENSION", "postgis", ""), entry(4, "TABLE", "t"), entry(5, "TABLE DATA", "t"),
    )  # fmt: skip

    assert listed.lacking({"citext"}) == ["postgis"]
    assert (listed.tables, listed.tables_with_data) == (1, 1)


@pytest.mark.parametrize(
    ("definition", "schema"),
    [
        (b"CREATE EXTENSION IF NOT EXISTS hstore WITH SCHEMA ext;\n\n\n", "ext"),
        (b'CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA "my ""own"";";\n', 'my "own";'),
        (b"CREATE EXTENSION hstore;", "public"),
    ],
)
def test_an_extension_goes_where_it_was(definition: bytes, schema: str) -> None:
    listed = contents(entry(1, "EXTENSION", "e", "", definition))

    assert schemas_of(listed, wished=()) == {"e": schema}
    assert schemas_of(listed, wished=["other.e"]) == {"e": "other"}


KINDS = {7: "COMMENT", 8: "TABLE DATA", 9: "TABLE"}


def heard(*lines: str) -> Restored:
    restored = Restored(KINDS)
    for line in lines:
        restored.hear(line)
    return restored


@pytest.mark.parametrize(
    "failure", ['TABLE DATA: COPY failed for table "t"', "FK CONSTRAINT: insert or update on table"]
)
def test_rows_that_a_constraint_refuses_are_told_with_what_lists_them(failure: str) -> None:
    assert "`changeover check SOURCE` shows a query that lists them" in another_way(["TABLE: no", failure])
    assert another_way(["TABLE: no"]) == ""


def test_a_table_that_could_not_be_made_is_a_failure_and_a_comment_only_a_warning() -> None:
    restored = heard(
        "pg_restore: from TOC entry 7; 0 0 COMMENT EXTENSION citext",
        "pg_restore: error: could not execute query: ERROR:  must be owner of extension citext",
        'pg_restore: processing data for table "public.a b"',
        "pg_restore: from TOC entry 8; 0 16489 TABLE DATA a b u",
        'pg_restore: error: COPY failed for table "a b": ERROR:  duplicate key value violates unique constraint',
        "pg_restore: warning: errors ignored on restore: 2",
    )

    assert restored.warnings == ["COMMENT: must be owner of extension citext"]
    assert [said.partition(":")[0] for said in restored.failures] == ["TABLE DATA"]
    assert (restored.is_explained, restored.tables_done) == (True, 1)


@pytest.mark.parametrize("severity", ["FEHLER", "ERREUR", "ОШИБКА", "エラー", "錯誤"])
def test_a_server_may_say_in_any_language_that_a_table_could_not_be_made(severity: str) -> None:
    restored = heard(
        "pg_restore: from TOC entry 9; 1259 16489 TABLE places u",
        f"pg_restore: error: could not execute query: {severity}:  Typ »earth« existiert nicht",
        "LINE 3:     pos earth",
        "Command was: CREATE TABLE places (pos earth);",
        "pg_restore: warning: errors ignored on restore: 1",
    )

    assert restored.failures == ["TABLE: Typ »earth« existiert nicht"]


def test_an_error_that_was_counted_and_not_heard_is_not_explained() -> None:
    assert not heard("pg_restore: warning: errors ignored on restore: 1").is_explained


@pytest.mark.parametrize("before", ["", "pg_restore: detail: "])
def test_a_setting_that_an_older_server_does_not_know_is_nothing(before: str) -> None:
    said = "error: could not execute query: FEHLER:  unbekannter Konfigurationsparameter »transaction_timeout«"
    restored = heard(
        "pg_restore: while INITIALIZING:",
        f"pg_restore: {said}",
        f"{before}Command was: SET transaction_timeout = 0;",
        "pg_restore: warning: errors ignored on restore: 1",
    )

    assert (restored.failures, restored.warnings, restored.is_explained) == ([], [], True)


def test_how_far_a_dump_is_goes_by_the_tables_that_are_done() -> None:
    dumped = Dumped({"public.orders": 900, "public.small": 100})
    dumped.hear('pg_dump: dumping contents of table "public.orders"')
    dumped.written = 100
    assert 0 < dumped.bytes_done <= 900
    dumped.hear('pg_dump: dumping contents of table "public.small"')

    assert (dumped.bytes_done, dumped.bytes_total, dumped.tables_done) == (900, 1000, 1)


# -- what is kept


def backups(*ages_days: int, schedule: bool = True) -> list[TransferRow]:
    now = datetime(2026, 3, 31, 2, tzinfo=UTC)
    nothing = dict.fromkeys(("addon_id", "run_id", "from_url", "to_url", "object_key", "source_bytes", "progress"))
    return [
        TransferRow(
            id=uuid.uuid4(),
            app_id=None,
            number=1,
            kind="backup",
            schedule_id=uuid.uuid4() if schedule else None,
            from_name="DATABASE",
            to_name="BACKUP",
            extensions=[],
            processed_bytes=0,
            warnings=0,
            is_succeeded=True,
            verified=None,
            created_at=now - timedelta(days=age),
            updated_at=now,
            started_at=None,
            finished_at=None,
            cancelled_at=None,
            **nothing,
        )
        for age in ages_days
    ]


def test_of_daily_backups_the_newest_of_each_day_week_and_month_stay_as_the_plan_says() -> None:
    daily = backups(*range(120))

    standard = surplus(daily, keeping_of("standard"), is_scheduled=True)
    premium = surplus(daily, keeping_of("premium"), is_scheduled=True)

    assert len(daily) - len(standard) == 7 + 2
    """The week of 31 March and the one before lie within seven days; two more weeks are kept beyond."""
    assert {one.id for one in premium} < {one.id for one in standard}
    assert daily[0] not in standard
    months = {one.created_at.month for one in daily if one not in premium}
    assert months == {12, 1, 2, 3}


def test_by_hand_the_newest_stay() -> None:
    by_hand = backups(*range(30), schedule=False)

    assert surplus(by_hand, keeping_of("essential"), is_scheduled=False) == by_hand[5:]
    assert keeping_of("") == keeping_of("standard")


# -- when


@pytest.mark.parametrize(
    ("zone", "hour", "after", "due"),
    [
        ("UTC", 2, "2026-01-01T01:59:59Z", "2026-01-01T02:00:00Z"),
        ("UTC", 2, "2026-01-01T02:00:00Z", "2026-01-02T02:00:00Z"),
        ("America/New_York", 2, "2026-01-10T12:00:00Z", "2026-01-11T07:00:00Z"),
        ("America/New_York", 2, "2026-07-10T12:00:00Z", "2026-07-11T06:00:00Z"),
        # 2 o'clock is skipped on 8 March, and 1 o'clock comes twice on 1 November
        ("America/New_York", 2, "2026-03-07T12:00:00Z", "2026-03-08T07:00:00Z"),
        ("America/New_York", 2, "2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"),
        ("America/New_York", 1, "2026-10-31T12:00:00Z", "2026-11-01T05:00:00Z"),
        ("America/New_York", 1, "2026-11-01T05:00:00Z", "2026-11-02T06:00:00Z"),
        ("Pacific/Auckland", 0, "2026-06-01T11:59:00Z", "2026-06-01T12:00:00Z"),
    ],
)
def test_a_daily_backup_is_due_once_a_day_at_its_own_hour(zone: str, hour: int, after: str, due: str) -> None:
    assert next_backup(hour, zone, datetime.fromisoformat(after)) == datetime.fromisoformat(due)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "", "Europe"])
def test_a_time_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(InvalidParams):
        checked_zone(zone)


@pytest.mark.parametrize("hour", ["24", "-1", "2:30", ""])
def test_an_hour_that_is_none_is_refused(hour: str) -> None:
    with pytest.raises(InvalidParams):
        checked_hour(hour)


# -- where a restore reads from


def test_only_the_operator_names_files_and_buckets_that_are_read_with_our_own_rights() -> None:
    for url in ("file:///var/backups/shop.dump", "s3://bucket/shop.dump"):
        with pytest.raises(InvalidParams):
            origin_of(url, endpoint=None, reach=Reach.PRIVATE)

    assert origin_of("file:///a%20b.dump", endpoint=None, reach=Reach.ANYWHERE) == OnHost(Path("/a b.dump"))
    assert isinstance(origin_of("s3://bucket/a/shop.dump", endpoint=None, reach=Reach.ANYWHERE), InBucket)
    assert isinstance(origin_of("https://example.com/a?signature=x", endpoint=None, reach=Reach.PRIVATE), OnWeb)


@pytest.mark.parametrize(
    "url", ["http://example.com/a.dump", "ftp://example.com/a", "shop.dump", "s3://bucket", "file://"]
)
def test_a_dump_never_travels_in_the_clear(url: str) -> None:
    with pytest.raises(InvalidParams):
        origin_of(url, endpoint=None, reach=Reach.ANYWHERE)


def test_a_signed_address_is_shown_nowhere() -> None:
    origin = OnWeb("https://127.0.0.1:1/backup?X-Amz-Signature=secret")
    with pytest.raises(BucketUnreachable) as refused, origin.open():
        pass

    assert "secret" not in repr(origin) + refused.value.message


def test_an_address_that_leads_into_the_clear_is_not_followed(web: Web) -> None:
    web.redirects = {"/dump": "http://192.0.2.1/dump"}

    with pytest.raises(BucketRefused, match="can't be read") as refused, OnWeb(f"{web.url}/dump").open():
        pass

    assert "unencrypted" in refused.value.why


# -- the bucket


def chunks(count: int, then: ChangeoverError | None = None) -> Iterator[bytes]:
    for number in range(count):
        yield bytes([number]) * 2**20
    if then is not None:
        raise then


@pytest.fixture(params=["folder", "s3"])
def bucket(
    request: pytest.FixtureRequest, bucket_server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Bucket:
    if request.param == "folder":
        return Bucket((tmp_path / "backups").as_uri())
    return s3(bucket_server, monkeypatch)


def s3(server: BucketServer, monkeypatch: pytest.MonkeyPatch, **changed: str) -> Bucket:
    settings = {**server.settings, **changed}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(bucket_module, "RETRY_S", 1)
    return Bucket(settings["CHANGEOVER_BUCKET"], endpoint=settings["AWS_ENDPOINT_URL"])


def test_what_is_written_in_parts_is_read_back_and_removed(bucket: Bucket) -> None:
    bucket.put("shop/001.dump", chunks(20))

    size, found = bucket.read("shop/001.dump")
    assert (size, b"".join(found)) == (20 * 2**20, b"".join(chunks(20)))
    bucket.remove("shop/001.dump")
    bucket.remove("shop/001.dump")
    with pytest.raises(BackupGone):
        bucket.read("shop/001.dump")


@pytest.mark.parametrize("written", [0, 20])
def test_a_dump_that_fails_leaves_nothing(
    bucket: Bucket, bucket_server: BucketServer, tmp_path: Path, written: int
) -> None:
    with pytest.raises(BackupFailed, match="lost"):
        bucket.put("shop/002.dump", chunks(written, BackupFailed("The dump was lost.")))

    assert bucket_server.objects() == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_wrong_keys_and_unknown_buckets_are_said_in_words_without_trying_again(
    bucket_server: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BucketRefused, match="could not be written") as refused:
        s3(bucket_server, monkeypatch, AWS_ACCESS_KEY_ID="somebody").put("a", chunks(1))
    with pytest.raises(BucketMissing):
        s3(bucket_server, monkeypatch, CHANGEOVER_BUCKET="s3://nowhere").put("a", chunks(1))

    assert "403 Forbidden" in refused.value.why
    assert not refused.value.retryable


def test_a_bucket_that_does_not_answer_is_tried_again_by_the_run(
    bucket_server: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BucketUnreachable) as unreachable:
        s3(bucket_server, monkeypatch, AWS_ENDPOINT_URL="http://127.0.0.1:1").put("a", chunks(1))

    assert unreachable.value.retryable


def test_a_dump_does_not_leave_this_host_without_tls(
    bucket_server: BucketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadSetting, match="AWS_ENDPOINT_URL"):
        s3(bucket_server, monkeypatch, AWS_ENDPOINT_URL="http://192.0.2.1:9000")


def test_a_folder_is_left_some_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers on the same disk go down when it is full."""
    monkeypatch.setattr(bucket_module, "SPARE_BYTES", 2**60)

    with pytest.raises(DiskFull):
        Bucket(tmp_path.as_uri()).put("shop/003.dump", chunks(20))

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_that_is_not_mounted_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BucketMissing):
        Bucket((tmp_path / "mnt/backups").as_uri()).put("a", chunks(1))


def test_halves_of_uploads_that_died_are_swept_out_of_a_folder(tmp_path: Path) -> None:
    bucket = Bucket(tmp_path.as_uri())
    bucket.put("shop/001.dump", chunks(1))
    for name in ("002.dump#1", "003.dump#1"):
        (tmp_path / "shop" / name).write_bytes(b"half")

    assert bucket.sweep(lambda key: key == "shop/003.dump") == ["002.dump#1"]
    assert sorted(path.name for path in (tmp_path / "shop").iterdir()) == ["001.dump", "003.dump#1"]


@pytest.mark.parametrize("url", ["backups", "https://bucket", "s3://", "file://host/folder", "gs://bucket"])
def test_a_setting_that_is_no_bucket_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(BadSetting):
        Bucket(url)
