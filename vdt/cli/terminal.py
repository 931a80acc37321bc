"""What both commands share: argument parsing that ends with 16, signals, output that no console can break."""

from __future__ import annotations

import argparse
import os
import queue
import signal
import sys
import threading
import time
from typing import IO, Any, Callable, Collection, Dict, List, NoReturn, Optional, Sequence

from vdt import fs
from vdt.errors import UsageError, VdtError
from vdt.model import Verify
from vdt.printable import printable
from vdt.stop import StopFlag

FATAL = 16
_SLICE_S = 0.1  # no handler of signals runs on Windows while the main thread waits for a lock
_CONSOLE_S = 3.0  # a console or pipe that takes no text is not waited for longer
_AFTER_STOP_S = 2.0
_GOING_HOME_S = 0.3  # a thread that was just sent home is not one that hangs


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are UsageErrors (exit code 16, never 2) and that takes `-` and `_` alike.

    Its help reads the same under every Python: the titles of the first two groups are its own.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **kwargs)
        self._positionals.title = "arguments"
        self._optionals.title = "general"

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{printable(message[:1].upper() + message[1:])}. See {self.prog} --help.")

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse, with each known long option accepted in both spellings."""
        return self.parse_args(self._respell(arguments))

    def _respell(self, arguments: Sequence[str]) -> List[str]:
        known: Dict[str, str] = {}
        for action in self._actions:
            for option in action.option_strings:
                if option.startswith("--"):
                    known["--" + option[2:].replace("_", "-")] = option
        respelled: List[str] = []
        for position, argument in enumerate(arguments):
            if argument == "--":
                return [*respelled, *arguments[position:]]
            name, equals, value = argument.partition("=")
            plain = "--" + name[2:].replace("_", "-")
            spelled = name.startswith("--") and plain in known
            respelled.append(known[plain] + equals + value if spelled else argument)
        return respelled


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """An argparse type: a whole number within bounds."""

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from {low} to {high}")
        return number

    return convert


def seconds(text: str) -> float:
    """An argparse type: seconds, not negative."""
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number < 1e9:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds")
    return number


VERIFY_HELP = (
    "how far each file is proven: none (copied, not checked), inflight (hashed while sent), reread (read back), cold "
    "(the default: read back past this computer's cache), both (both ends read back)"
)


def verify_level(text: str) -> Verify:
    """An argparse type: a verification level."""
    try:
        return Verify(text.lower())
    except ValueError:
        levels = ", ".join(level.value for level in Verify)
        raise argparse.ArgumentTypeError(f"'{text}' is no verification level; choose from {levels}") from None


_lost_output: List[str] = []  # why a line could not be printed; asked once, when the command ends


def say_on(stream: IO[str]) -> Callable[[str], None]:
    """Print lines on a stream, whatever its encoding. A stream that went away stops nothing; it costs the exit code."""

    def say(line: str) -> None:
        encoding = getattr(stream, "encoding", None) or "ascii"
        try:
            stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            stream.flush()
        except (OSError, ValueError) as error:
            _lost_output.append(str(error))

    return say


class Printer:
    """Prints lines in a thread of its own: nothing that copies waits for a console that takes no text."""

    def __init__(self, stream: IO[str]) -> None:
        self._say = say_on(stream)
        self._lines: queue.SimpleQueue[Optional[str]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._print, name="vdt-printer", daemon=True)
        self._thread.start()

    def __call__(self, line: str) -> None:
        self._lines.put(line)

    def close(self, within_s: float = 5.0, stop: Optional[StopFlag] = None) -> None:
        """Print what waits; a console that is held (a click into a Windows console) is not waited for longer, nor for
        more than two seconds of a stop."""
        self._lines.put(None)
        _join(self._thread, within_s, stop)

    def _print(self) -> None:
        while True:
            line = self._lines.get()
            if line is None:
                return
            self._say(line)


def _join(thread: threading.Thread, within_s: float, stop: Optional[StopFlag] = None) -> None:
    """Wait for a thread in slices."""
    deadline_s = time.monotonic() + within_s
    asked = False
    while thread.is_alive() and time.monotonic() < deadline_s:
        if stop and not asked:
            asked, deadline_s = True, min(deadline_s, time.monotonic() + _AFTER_STOP_S)
        thread.join(_SLICE_S)


def _within(act: Callable[[], object], seconds: float = _CONSOLE_S) -> None:
    """Do something to a stream that may be held; for so long and no longer."""
    thread = threading.Thread(target=act, name="vdt-say", daemon=True)
    thread.start()
    _join(thread, seconds)


_asked_to_stop: List[StopFlag] = []  # the flag of the command that runs, for what ends a console window


def stop_on_signals(stop: StopFlag, say: Callable[[str], None]) -> None:
    """The first Ctrl-C (SIGTERM, Ctrl-Break) asks for the stop, the second ends at once. A window that is closed, a
    user who signs out and a computer that is shut down ask too, and Windows waits no longer than it may."""
    _asked_to_stop[:] = [stop]

    def handler(number: int, _frame: object) -> None:
        if stop:
            fs.terminate_now(8)
        stop.set(f"interrupted ({signal.Signals(number).name})")
        say("Stopping: files in work are finished or given up; once more ends at once.")

    for name in ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # nohup, a background job
            try:
                signal.signal(number, handler)
            except ValueError:  # not in the main thread: whoever embeds us handles signals
                return


def guarded(main: Callable[[List[str]], int], arguments: Optional[Sequence[str]], *, debug: bool) -> int:
    """Run a command; whatever happens ends in a plain sentence and an exit code, never in a traceback."""
    _lost_output.clear()
    _asked_to_stop.clear()
    _fill_closed_descriptors()
    before = threading.enumerate()

    def say(line: str) -> None:
        _within(lambda: say_on(sys.stderr)(line))

    fs.allow_many_files()
    with fs.steady_console(_console_ends):
        return _whole(main, arguments, say, before, debug=debug)


def _console_ends(reason: str) -> None:
    for stop in _asked_to_stop:
        stop.set(reason)


def _whole(
    main: Callable[[List[str]], int],
    arguments: Optional[Sequence[str]],
    say: Callable[[str], None],
    before: Collection[threading.Thread],
    *,
    debug: bool,
) -> int:
    """The command and what follows its end: threads that hang, output that is lost."""
    code = _guarded(main, list(sys.argv[1:] if arguments is None else arguments), say, debug=debug)
    if _left_behind(before):
        _end_at_once(code)
    _flush_stdout()
    if _lost_output:
        _forget_stdout()
        say(f"What was to be printed is lost: {_lost_output[0]}.")
        return FATAL
    return code


def _left_behind(before: Collection[threading.Thread]) -> List[str]:
    """Names of our threads that this command began and that hang in the system or at a console."""
    ours = [t for t in threading.enumerate() if t not in before and t.name.startswith("vdt")]
    until_s = time.monotonic() + _GOING_HOME_S
    for thread in ours:
        _join(thread, until_s - time.monotonic())
    return [thread.name for thread in ours if thread.is_alive()]


def _end_at_once(code: int) -> None:
    """End the process without the interpreter's own end, which would wait for threads that hang."""
    _within(_flush_stdout, 1.0)
    fs.terminate_now(FATAL if _lost_output else code)


def _flush_stdout() -> None:
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        _lost_output.append(str(error))


def _fill_closed_descriptors() -> None:
    """Put the null device where standard descriptors are closed, so that no data file takes their numbers."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
            _lost_output.append(f"{name} is closed")


def _forget_stdout() -> None:
    """Give the interpreter another standard output, so that it does not fail on what is left in the broken one."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        pass


def _guarded(main: Callable[[List[str]], int], arguments: List[str], say: Callable[[str], None], *, debug: bool) -> int:
    try:
        return main(arguments)
    except VdtError as error:
        say("\n".join(printable(line) for line in str(error).split("\n")))
        return error.exit_code
    except KeyboardInterrupt:
        say("Interrupted.")
        return 8
    except BrokenPipeError as error:
        _lost_output.append(str(error))
        return FATAL
    except MemoryError:
        say(
            "This computer's memory was not enough. What was proven before stays. End other programs or give fewer "
            "--threads; the same command goes on."
        )
        return FATAL
    except Exception as error:
        if debug:
            import traceback

            say(traceback.format_exc())
        say(
            f"An unexpected error: {type(error).__name__}: {printable(str(error))}. Run again with --debug for details."
        )
        return FATAL
