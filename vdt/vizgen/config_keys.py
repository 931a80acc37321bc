"""The keys of the configuration: where each stands, what it may be, what counts without it, what it means.

Pure. `config` knows a key by this table, and the administrator's guide prints it (`docs/make.py`).
"""

from __future__ import annotations

from typing import NamedTuple, Tuple

PATH, TEXT = "a folder, absolute", "text"
NEEDED = "needed"
_OF_1_0_0 = "read by 1.0.0; may stay, has no effect"


class Key(NamedTuple):
    """One key.

    Attributes:
        table: the TOML table it stands in; "" is the top of the file.
        name: the key.
        values: what it may be, in words.
        default: what counts without it; `NEEDED` where the file is refused without it.
        meaning: a sentence, without its full stop.
    """

    table: str
    name: str
    values: str
    default: str
    meaning: str


KEYS: Tuple[Key, ...] = (
    Key(
        "",
        "analysis_drive_pc",
        PATH,
        NEEDED + " on Windows",
        "the folder that holds `merfish_raw_data`, `merfish_analysis` and `merfish_output`",
    ),
    Key("", "analysis_drive_pc_disk", PATH, NEEDED + " for `--disk` on Windows", "the same on the external disk"),
    Key("", "analysis_drive_pc_debug", PATH, NEEDED + " for `--debug` on Windows", "the same for trials"),
    Key("", "isilon_drive_pc", PATH, NEEDED + " on Windows", "where the runs are copied to; each becomes a folder"),
    Key(
        "",
        "isilon_drive_logs_pc",
        PATH,
        "`logs` in `isilon_drive_pc`",
        "master log, lists of the cross-check, unsent mail",
    ),
    Key("", "analysis_drive_nix", PATH, NEEDED + " on other systems", "as `analysis_drive_pc`, on every other system"),
    Key(
        "", "analysis_drive_nix_disk", PATH, NEEDED + " for `--disk` on other systems", "the same on the external disk"
    ),
    Key("", "isilon_drive_nix", PATH, NEEDED + " on other systems", "as `isilon_drive_pc`, on every other system"),
    Key("", "isilon_drive_logs_nix", PATH, "`logs` in `isilon_drive_nix`", "as `isilon_drive_logs_pc`"),
    Key(
        "",
        "smtp_server",
        "a name, or `name:port`",
        NEEDED + " unless `--no_email`",
        "the server that takes the mail",
    ),
    Key("", "sender_email", "one address", NEEDED + " unless `--no_email`", "whom the mail comes from"),
    Key("", "addressees", "a list of addresses", "none", "files older than 1.0.0; the two tables below beat it"),
    Key(
        "production",
        "addressees",
        "a list of addresses",
        NEEDED + " unless `--no_email`",
        "who gets the mail of transfers on Windows without `--debug`",
    ),
    Key("development", "addressees", "a list of addresses", NEEDED + " unless `--no_email`", "who gets all other mail"),
    Key(
        "tool.options",
        "robocopy",
        "[robocopy's options](robocopy.md)",
        "`/Z /E /J`",
        "what is copied on Windows, in robocopy's words; robocopy is not run for it",
    ),
    Key(
        "tool.options",
        "rsync",
        "[rsync's options](robocopy.md#rsyncs-options-in-a-configuration)",
        "`-av`",
        "the same on every other system, in rsync's words",
    ),
    Key(
        "tool.options",
        "robocopy_list",
        "robocopy's options, with `/L`",
        "`/L /E /BYTES /V /NP /FP`",
        "what the real robocopy is asked for the [cross-check](#the-cross-check-with-robocopy)",
    ),
    Key("tool.options", "robocopy_header", "anything", "", _OF_1_0_0),
    Key("tool.options", "robocopy_footer", "anything", "", _OF_1_0_0),
    Key("tool.options", "robocopy_list_footer_start", "anything", "", _OF_1_0_0),
    Key("tool.options", "robocopy_list_footer_end", "anything", "", _OF_1_0_0),
    Key("vdt", "threads", "1 to 128", "`8`", "most worker threads; how many of them work is found while running"),
    Key(
        "vdt",
        "verify",
        "`none`, `inflight`, `reread`, `cold`, `both`",
        "`cold`",
        "how each copy is proven, see [the levels](verification.md#the-levels)",
    ),
    Key(
        "vdt",
        "existing",
        "`prove`, `trust`",
        "`prove`",
        "what a file needs that is there with the right size and time: a digest on record or a read of both sides, or "
        "nothing more",
    ),
    Key("vdt", "retries", "0 or more", "`5`", "how often a file that fails is tried again"),
    Key("vdt", "retry_wait_s", "seconds", "1, 2, 5, 15, 30", "one fixed wait before each try"),
    Key(
        "vdt",
        "share_wait_s",
        "seconds",
        "`14400`",
        "how long a drive that stops answering is waited for; nothing counts as failed meanwhile",
    ),
    Key(
        "vdt",
        "bwlimit",
        '`"100M"`, or `"08:00,100M 19:00,off"`',
        "`off`",
        "most bytes (MiB) read a second, of both sides together, perhaps by the clock",
    ),
    Key(
        "vdt", "settle_s", "seconds", "`0`", "how long a run must have lain still before it is copied; 0 does not look"
    ),
    Key(
        "vdt",
        "finished_markers",
        "one or more of the three",
        '`["EXPERIMENT_FINISHED", "RAW_DATA_SYNC_FINISHED", "MERLIN_FINISHED"]`',
        "the files in the raw data by which a run is known to be [finished](../README.md#is-the-run-finished)",
    ),
    Key(
        "vdt",
        "robocopy_check",
        "`auto`, `on`, `off`",
        "`auto`",
        "the second count by the real robocopy: where there is one, always, never",
    ),
    Key("vdt", "also_hash", "`md5`, `sha256`", "none", "a second manifest, for data deposits"),
    Key("vdt", "smtp_port", "1 to 65535", "`25`, `587` or `465`", "the mail server's port"),
    Key("vdt", "smtp_security", "`none`, `starttls`, `ssl`", "`none`", "the encryption; never given up silently"),
    Key("vdt", "smtp_user", TEXT, "no log-in", "who logs in at the mail server"),
    Key(
        "vdt",
        "smtp_password_env",
        "a name",
        "no log-in",
        "the environment variable that holds the password; the password itself never stands in the file",
    ),
)


def names(table: str) -> Tuple[str, ...]:
    """The keys of a table, in the order of the guide."""
    return tuple(key.name for key in KEYS if key.table == table)


PATH_KEYS: Tuple[str, ...] = tuple(key.name for key in KEYS if key.values == PATH)
TABLES: Tuple[str, ...] = ("production", "development", "tool", "vdt")
TOP_KEYS: Tuple[str, ...] = (*names(""), *TABLES)
OPTION_KEYS: Tuple[str, ...] = names("tool.options")
VDT_KEYS: Tuple[str, ...] = names("vdt")
