"""What goes wrong on a facility's PC: how it is said, why it happens, what to do. One table for errors and guide.

Pure. docs/troubleshooting.md is made from it (`docs/make.py`); `shown_by` names the test that provokes the sentence.
An error whose sentence is a row's takes it from here; of the others the sentence is repeated here, and the tests hold
both together.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Tuple

_FIELD = re.compile(r"\{\w+\}")


class Trouble(NamedTuple):
    """One thing that goes wrong.

    Attributes:
        when: the situation in a few words.
        said: what is printed; a name in braces stands for what differs from case to case.
        cause: why it happens.
        step: what to do next.
        shown_by: file and name of the test that provokes the sentence, from the root of the repository.
    """

    when: str
    said: str
    cause: str
    step: str
    shown_by: str

    def sentence(self, **names: object) -> str:
        """The sentence as an error says it. KeyError where a name is missing."""
        return _FIELD.sub(lambda field: str(names[field[0][1:-1]]), self.said)

    @property
    def shown(self) -> str:
        """The sentence as the guide shows it, with an ellipsis for each name."""
        return _FIELD.sub("…", self.said)

    @property
    def pattern(self) -> str:
        """A regular expression that finds the sentence in what was printed."""
        return ".*?".join(re.escape(part) for part in _FIELD.split(self.said))


_HERE = "tests/contract/test_troubles.py::"
SAME_AGAIN = "same command again"

OLD_PYTHON = Trouble(
    "Python is too old",
    "vizgen_data_transfer needs Python 3.9 or newer; this is Python {version}. Install a newer one, make the "
    "environment again with it and install vizgen_data_transfer there.",
    "The environment was made with the first `python` that was found. pip's words: `requires a different Python`.",
    'Name the newer one when you make the environment: `py -3.9 -m venv "$env:LOCALAPPDATA\\eivdt"`.',
    _HERE + "test_python_is_too_old",
)

# -- the configuration -------------------------------------------------------------------------------------------------

NO_CONFIG = Trouble(
    "No configuration here",
    "There is no file {path}. Name another one with --vizgen_config, or let --init_config write a commented template "
    "to begin with.",
    "`.vizgen_config.toml` is looked for in the folder in which the command is started.",
    "Start from `L:\\` (`start_eivdt` goes there), or name the file.",
    _HERE + "test_configuration",
)
BAD_TOML = Trouble(
    "A Windows path in double quotes",
    "Line {number} is not valid TOML (column {column}): {reason}. A backslash in double quotes begins a special "
    "character: write the path in single quotes, 'Z:\\data', or with two backslashes, \"Z:\\\\data\".",
    "In double quotes `\\d` is not a backslash and a d.",
    "Write `'Z:\\data'`.",
    _HERE + "test_configuration",
)
UNKNOWN_SETTING = Trouble(
    "A misspelled setting",
    "The key {key} in the table [vdt] is unknown. Did you mean {nearest}?",
    "A setting that is not read could change what is proven, so it is not passed over.",
    "Correct it.",
    _HERE + "test_configuration",
)
PLACEHOLDER = Trouble(
    "A configuration of 1.0.0 or a template with the example addresses in it",
    "{key} is still the template's example '{value}': set it, or no mail arrives.",
    "The file was copied and the addresses were not filled in. The copy goes on; its mail goes nowhere.",
    "Set `smtp_server`, `sender_email` and `addressees`, or use `--no_email`.",
    _HERE + "test_placeholders",
)
NO_DISK_KEY = Trouble(
    "`--disk` without its setting",
    "{key} is missing or empty (needed for --disk). Set it to the folder that holds merfish_raw_data and the other two",
    "The configuration does not say where the external disk is.",
    "Add the line, for example `analysis_drive_pc_disk = 'G:\\Vizgen data Z drive'`.",
    _HERE + "test_configuration",
)

# -- the command line --------------------------------------------------------------------------------------------------

NO_RUN_ID = Trouble(
    "No run id, or a forgotten `--`",
    "Give the run id, for example: vizgen_data_transfer {example}. Behind an option that takes several values, put -- "
    "before it.",
    "`--copy_type`, `--ignore_python_counts` and their like take every word that follows, the run id too.",
    "`vizgen_data_transfer --copy_type output -- RUN_ID`",
    _HERE + "test_command_line",
)
RUN_ID_IS_A_PATH = Trouble(
    "A path in the place of the run id",
    "'{run_id}' cannot be a run id: it holds a path separator. Give the run's folder name alone",
    "The drives stand in the configuration; the command takes the name of the run's folder.",
    "Give the last part of the path alone.",
    _HERE + "test_command_line",
)
NO_PLACE_FOR_REPORT = Trouble(
    "`--json` names a folder that is not there",
    "The folder of the report {path} is not there. Make it, or name another place.",
    "It is looked for before anything is copied: a script would miss its result after a night's work.",
    "Make the folder, or correct the path.",
    _HERE + "test_command_line",
)
QUOTED_BACKSLASH = Trouble(
    '`"C:\\folder\\"` (Windows)',
    "{path} holds a quotation mark. A backslash before a closing quotation mark makes it a part of the path: leave the "
    'last backslash out, "C:\\folder" and not "C:\\folder\\".',
    'Windows hands `\\"` to a program as a quotation mark.',
    "Leave the last backslash out.",
    "tests/test_fs_typed.py::test_a_trap_is_named_with_its_remedy",
)

# -- drives and the run ------------------------------------------------------------------------------------------------

NO_SUCH_RUN = Trouble(
    "The run id is mistyped",
    "There is no run {run_id} on {drive}: {source} is not there.",
    "No tree of this name lies on the drive. Names that are near are offered (`Did you mean …?`).",
    "Take the one that is meant, or look whether the run lies on the external disk (`--disk`).",
    _HERE + "test_run_id_that_is_mistyped",
)
TREE_ELSEWHERE = Trouble(
    "One tree of the run lies elsewhere",
    "The source of {kind} is not there: {source}. Where this tree lies on the external disk, copy the others with "
    "--copy_type and this one with --copy_type and --disk.",
    "The run itself is there; this tree was moved to the external disk, or was not made yet.",
    "Two commands, see [two places](../README.md#from-the-external-disk-and-from-two-places).",
    _HERE + "test_drives",
)
NO_SOURCE_DRIVE = Trouble(
    "`Z:` is not mapped, or the network or VPN is off",
    "The source drive {drive} is not there. Check that it is mounted or plugged in ('{key}' in {config}).",
    "The drive letter is not known in this window, or its server cannot be reached.",
    "Open the drive in File Explorer; map it, or switch the VPN on, and give the same command again.",
    _HERE + "test_drives",
)
NO_DISK = Trouble(
    "The external disk is not plugged in",
    "The external disk {drive} is not there. Plug it in, and look whether it still has this drive letter and folder "
    "('{key}' in {config}).",
    "It is unplugged or switched off, or Windows gave it another letter this time.",
    "Plug it in; where the letter is another one, change the setting.",
    _HERE + "test_drives",
)
NO_ISILON_DRIVE = Trouble(
    "`L:` is not mapped, or the network or VPN is off",
    "The Isilon drive {drive} is not there. Check that it is mounted (setting in {config}).",
    "As for `Z:`. Nothing is made in its place.",
    "Open it in File Explorer; map it, or switch the VPN on, and give the same command again.",
    _HERE + "test_drives",
)
NOT_CONNECTED = Trouble(
    "A mapped drive with a red cross (Windows)",
    "{drive} is mapped to {share} for this user, and not connected now: open it in File Explorer.",
    "Windows connects a mapped drive when somebody opens it, and not before the VPN is on.",
    "Open the drive in File Explorer once.",
    "tests/test_fs_windows.py::test_why_a_drive_is_missing",
)
AS_ADMINISTRATOR = Trouble(
    "The window runs as administrator (Windows)",
    "This window runs as administrator, and drives that were mapped without that are not seen in it: start again in an "
    "ordinary window.",
    "Drives are mapped for one user at a time; an administrator's window and a scheduled task are another.",
    "Use an ordinary window, or write the share as `\\\\server\\share` into the configuration.",
    "tests/test_fs_windows.py::test_why_a_drive_is_missing",
)
NO_RIGHT_TO_WRITE = Trouble(
    "No right to write",
    "The destination {path} cannot be made: {reason}. Check that the drive is mounted and that you may write there.",
    "The share or the folder does not let this account write.",
    "Ask whoever runs the storage; [permissions on the share](admin.md#permissions-on-the-share) lists what is needed.",
    _HERE + "test_no_right_to_write",
)
NO_ROOM = Trouble(
    "Too little room",
    "{path} has {free} GB free, {needed} GB are left to copy. Make room, or use --ignore_space if the figure is wrong.",
    "The storage reports less free space than is left to copy. What is there already is not counted twice.",
    "Make room. Where a quota makes the figure wrong, `--ignore_space`.",
    _HERE + "test_too_little_room",
)
LOCKED = Trouble(
    "Somebody else copies this run",
    "Another transfer works on {tree}: {holder}. Wait until it ends, or stop it.",
    "Two transfers into one tree are never run at once. The sentence names host, process and since when.",
    "Wait.",
    _HERE + "test_copy_is_running_elsewhere",
)
OLD_LOCK = Trouble(
    "An earlier run died on another computer",
    "A lock is there ({holder}); waiting up to {seconds} s to see whether it is alive.",
    "Whether a process of another computer still works can only be seen from its lock, which changes every 30 s.",
    "Wait; after five minutes it goes on by itself.",
    "tests/test_lock.py::test_another_host_whose_counter_stands_still_is_taken_over",
)
NO_END = Trouble(
    "An earlier run had no end: the window was closed, the computer restarted",
    "Run {run_id} ended without a report at about {when}. The same command goes on with it.",
    "A run that is ended from outside can send no mail; the next start on this computer says so.",
    "Give that run's command again.",
    "tests/test_mark.py::test_runs_that_ended_without_a_report_are_said_once_the_oldest_first",
)
ON_THE_NETWORK = Trouble(
    "The program is installed on a network drive",
    "This program runs from a network drive ({place}). While that does not answer, the run may break off: install the "
    "program on this computer.",
    "As 1.0.0 was, on `L:`. The copy goes on; a Python that cannot read its own modules ends.",
    "[Install it on the PC](../README.md#install-on-the-vizgen-windows-pc).",
    "tests/test_own.py::test_a_program_on_a_network_drive_is_told_where_it_should_lie",
)
STILL_WRITTEN = Trouble(
    "The instrument still writes, seen before the copy (`settle_s`)",
    "{tree} is still being written: {path} changed within {seconds} s. Transfer the run when the instrument is done "
    "with it, or set settle_s = 0.",
    "The run was looked at twice, and something had changed.",
    "Wait for the experiment to end, " + SAME_AGAIN + ".",
    _HERE + "test_source_is_still_written",
)
NOT_FINISHED = Trouble(
    "The run is not finished",
    "The run is not finished: {markers} {are} missing in {folder} ({meaning}).",
    "The instrument or the analysis has not written all of its marks yet: more is to come, and it is in no copy.",
    "Wait, or `--wait_finished`; what was copied is not copied again. See "
    "[is the run finished?](../README.md#is-the-run-finished)",
    "tests/contract/test_finished.py::test_an_unfinished_run_is_copied_and_named_and_its_source_stays",
)
INSIDE_SOURCE = Trouble(
    "Source and destination lie in each other",
    "The destination {destination} lies inside the source ({source}). Choose a destination outside of it.",
    "A setting names the wrong drive, or one share has two letters.",
    "Correct `analysis_drive_…` or `isilon_drive_…`.",
    "tests/contract/test_troubles.py::test_destination_inside_the_source",
)

# -- during the copy ---------------------------------------------------------------------------------------------------

FULL = Trouble(
    "The storage fills up",
    "The run ended early: the destination is full. The same command goes on with it.",
    "Somebody else used the room, or a quota is lower than the free space that is shown.",
    "Make room, " + SAME_AGAIN + "; what was copied is not copied again.",
    _HERE + "test_storage_fills_up",
)
AWAY = Trouble(
    "A drive goes away in the middle of a run",
    "{path} does not answer since {time}; waiting up to {span}",
    "Network, VPN, server or disk. Nothing counts as failed meanwhile.",
    "Bring it back; the run goes on by itself (`is back after …`).",
    _HERE + "test_drive_goes_away",
)
AWAY_TOO_LONG = Trouble(
    "It did not come back in time",
    "The run ended early: {path} does not answer since {time}, for longer than {span}. The same command goes on with "
    "it.",
    "It was waited for as long as `share_wait_s` says (four hours).",
    "Bring it back, " + SAME_AGAIN + ".",
    _HERE + "test_drive_goes_away",
)
ANOTHER_VOLUME = Trouble(
    "Another drive or folder was put in its place",
    "{path} did not answer at {time}, and what stands in its place now is another volume or folder, or another "
    "transfer has taken it; nothing was written there",
    "What comes back must be what went: another disk under the same letter is not written to.",
    "Bring the right one back, " + SAME_AGAIN + ".",
    "tests/test_outage.py::test_another_volume_in_its_place_ends_the_run_soon",
)
UNREADABLE = Trouble(
    "One file cannot be read",
    "{count} of {tree} could not be copied: {path} ({reason}).",
    "Permissions, a bad sector, a file that vanished. The others are copied all the same.",
    "Mend it, " + SAME_AGAIN + "; only that file is copied.",
    _HERE + "test_a_file_cannot_be_read",
)
HELD = Trouble(
    "Another program has a file open (Windows)",
    "another program has it open",
    "A virus scanner, a backup or a viewer holds the file. It is tried again, once more at the end of the run.",
    "Close the program, " + SAME_AGAIN + "; where it is the scanner, see "
    "[exemptions](admin.md#virus-scanners-and-ransomware-watchers).",
    "tests/test_fs_windows_errors.py::test_each_number_has_its_words_and_its_hope",
)
BLOCKED = Trouble(
    "The virus scanner blocks a file (Windows)",
    "the virus scanner holds it for a virus and blocks it",
    "The scanner took the file, or its partial `.vdt-….partial`, for malicious.",
    "Ask for an [exemption](admin.md#virus-scanners-and-ransomware-watchers), " + SAME_AGAIN + ".",
    "tests/test_fs_windows_errors.py::test_each_number_has_its_words_and_its_hope",
)
TOO_LONG = Trouble(
    "A name or path is too long (Windows)",
    "the name or path is too long",
    "Paths over 260 characters are no trouble here, on Windows either; a single name may be too long for the storage.",
    "Nothing to set on the PC. Shorten that name at the source, or ask which lengths the storage takes.",
    "tests/test_fs_windows_errors.py::test_each_number_has_its_words_and_its_hope",
)
CHANGING = Trouble(
    "A file changed while it was copied",
    "{count} of {tree} changed while it was read: {path} ({reason}).",
    "The instrument or an analysis still writes it. It was tried again at the end of the run.",
    "Wait for the experiment to end, " + SAME_AGAIN + ".",
    _HERE + "test_a_file_changes_while_it_is_copied",
)
CONFLICT = Trouble(
    "The source is older or shorter than the proven copy",
    "the source ({size} bytes) is older or shorter than the proven copy ({more} bytes); kept. --replace_proven "
    "replaces it",
    "The source was damaged, restored or cut off after it had been copied; or a wrong folder lies in its place.",
    "Find out why; `--replace_proven` only where the source is right.",
    _HERE + "test_conflict",
)
HANGS = Trouble(
    "A share hangs, and Ctrl-C was pressed",
    "Abandoned, the system did not answer: {call}",
    "A call into the system does not come back. What hangs is named and left behind; the summary stands.",
    "Get the share back, " + SAME_AGAIN + ".",
    "tests/contract/test_hanging.py::test_a_call_that_hangs_is_named_and_abandoned",
)
STOPPED = Trouble(
    "Ctrl-C, a closed window, a shutdown",
    "The run ended early: interrupted ({signal}). The same command goes on with it.",
    "Somebody asked for the end. Partials and records are kept.",
    "Same command; what was copied is not copied again.",
    _HERE + "test_interrupted",
)

# -- in the mail -------------------------------------------------------------------------------------------------------

TREES_MISSING = Trouble(
    "NO, although everything was copied: not all trees",
    "{trees} {were} not part of this run, and only a run over all three trees can say yes.",
    "The question is about the run, and this command saw a part of it.",
    "Give the command without `--copy_type`: it reads nothing that is on record. For a run in two places keep both "
    "mails.",
    _HERE + "test_only_some_trees",
)
NOT_PAST_CACHE = Trouble(
    "NO, although everything was read back: the cache",
    "of {tree} {were} not read back past this client's cache.",
    "This storage cannot be read past the computer's own memory, so the read back may have been answered from it.",
    "The copy is there and was read back once; an audit from another computer confirms it.",
    _HERE + "test_storage_that_cannot_bypass_the_cache",
)
EXTRAS = Trouble(
    "Something was put into the copied tree",
    "the destination also holds {extras} that the source does not have. The log names them; they are not compared.",
    "Somebody saved a file there, or one was deleted at the source after an earlier run.",
    "Look for `*EXTRA` in the tree's log. Nothing of it is touched.",
    _HERE + "test_extras_in_the_copy",
)
NO_MAIL_SERVER = Trouble(
    "The mail server is down, or SMTP is blocked",
    "The mail could not be sent ({server} could not be reached: {reason}). It is kept as {path}; the next run tries "
    "again.",
    "Server, firewall or a virus scanner that blocks mail ports. The verdict is not changed by it.",
    "Nothing for this run: the result stands on the screen, in the master log and in the `.eml`. If it comes back, ask "
    "for port 25 or 587 to be opened, or set `smtp_port` and `smtp_security`.",
    _HERE + "test_mail_server_does_not_answer",
)
NO_PASSWORD = Trouble(
    "The mail server asks for a log-in",
    "The environment variable {name}, which smtp_password_env names, is not set or empty.",
    "The password never stands in the configuration; this window does not have it.",
    '`$env:VDT_SMTP = "..."` in the profile, or for good with `setx`.',
    _HERE + "test_mail_password_is_not_set",
)
LOGS_AWAY = Trouble(
    "The logs folder is away",
    "The master log is kept in {folder} until {drive} is there again.",
    "The share that holds the logs is what failed.",
    "Nothing; the next run delivers it.",
    _HERE + "test_drives",
)
NO_ROBOCOPY = Trouble(
    "`--robocopy_check on` without robocopy",
    "robocopy_check is on, but there is no robocopy on this computer: it is neither in the System32 folder of Windows "
    "nor on the PATH. Run on Windows, or use --robocopy_check auto or off.",
    "`on` insists on a second count by the real robocopy.",
    "As it says.",
    _HERE + "test_command_line",
)
ROBOCOPY_FAILED = Trouble(
    "Robocopy could not count",
    "The cross-check of {tree} failed: {reason}. Its log is {log}.",
    "Robocopy was stopped, refused an option or met a folder that it may not read.",
    "Look into the log. With `auto` it is a note in the mail and the run goes on.",
    _HERE + "test_cross_check",
)
ROBOCOPY_DIFFERS = Trouble(
    "Robocopy counts something else than Python",
    "Robocopy and Python do not count the same {when}: {what}.",
    "Links, files that came and went, or a folder that one of them may not read.",
    "A warning while all is proven; else look for what differs in the two lists in the logs folder.",
    _HERE + "test_cross_check",
)

GROUPS: Tuple[Tuple[str, Tuple[Trouble, ...]], ...] = (
    ("Python", (OLD_PYTHON,)),
    ("The configuration", (NO_CONFIG, BAD_TOML, UNKNOWN_SETTING, PLACEHOLDER, NO_DISK_KEY)),
    ("The command line", (NO_RUN_ID, RUN_ID_IS_A_PATH, NO_PLACE_FOR_REPORT, QUOTED_BACKSLASH)),
    (
        "Drives and the run",
        (
            *(NO_SUCH_RUN, TREE_ELSEWHERE, NO_SOURCE_DRIVE, NO_DISK, NO_ISILON_DRIVE, NOT_CONNECTED, AS_ADMINISTRATOR),
            *(NO_RIGHT_TO_WRITE, NO_ROOM, LOCKED, OLD_LOCK, NO_END, ON_THE_NETWORK),
            *(NOT_FINISHED, STILL_WRITTEN, INSIDE_SOURCE),
        ),
    ),
    (
        "During the copy",
        (
            *(FULL, AWAY, AWAY_TOO_LONG, ANOTHER_VOLUME, UNREADABLE, HELD, BLOCKED, TOO_LONG, CHANGING, CONFLICT),
            *(HANGS, STOPPED),
        ),
    ),
    (
        "At the end, and in the mail",
        (
            *(TREES_MISSING, NOT_PAST_CACHE, EXTRAS, NO_MAIL_SERVER, NO_PASSWORD, LOGS_AWAY),
            *(NO_ROBOCOPY, ROBOCOPY_FAILED, ROBOCOPY_DIFFERS),
        ),
    ),
)
TROUBLES: Tuple[Trouble, ...] = tuple(trouble for _, troubles in GROUPS for trouble in troubles)
