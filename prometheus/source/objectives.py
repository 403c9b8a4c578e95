"""How fast the configured objectives use up what they may miss."""

from __future__ import annotations

from typing import Final, NamedTuple

from prometheus.source.values import Alert, ExecError, Group, Record, Severity, promql

_LABELS: Final = ("job", "account", "objective")
_TARGET: Final = "job_objective:smsbat_objective_target_ratio:max"


def _missed(window: str) -> Record:
    return Record(
        f"job_account_objective:smsbat_objective_missed:ratio_increase{window}",
        promql(f"""
            sum by (job, account, objective) (increase(smsbat_objective_missed_total[{window}]))
            /
            sum by (job, account, objective) (increase(smsbat_objective_messages_total[{window}]))
        """),
    )


def _judged(window: str) -> Record:
    return Record(
        f"job_account_objective:smsbat_objective_messages:increase{window}",
        f"sum by (job, account, objective) (increase(smsbat_objective_messages_total[{window}]))",
    )


RECORDS: Final = (
    Record(_TARGET, "max by (job, objective) (smsbat_objective_target_ratio)"),
    *(_missed(window) for window in ("5m", "1h", "2h", "1d")),
    *(_judged(window) for window in ("1h", "1d")),
)


def _burning(window: str, factor: str) -> str:
    """Return a condition: over `factor` times what may be missed, or under half of the target is met.

    The second half is for modest targets: of 0.9, not even everything missed is 14.4 times the budget.
    """
    missed = f"job_account_objective:smsbat_objective_missed:ratio_increase{window}"
    return (
        f"(\n"
        f"    {missed} > on (job, objective) group_left () ({factor} * (1 - {_TARGET}))\n"
        f"  or\n"
        f"    {missed} > on (job, objective) group_left () (1 - {_TARGET} / 2)\n"
        f")"
    )


class _Windows(NamedTuple):
    """Over the long one enough is missed to matter, in the short one it still is."""

    long: str
    short: str
    factor: str
    """How much faster than allowed."""


def _burn(name: str, windows: _Windows, *, hold: str, severity: Severity) -> Alert:
    long, short, factor = windows
    judged = f"job_account_objective:smsbat_objective_messages:increase{long}"
    return Alert(
        name=name,
        expr=f"{_burning(long, factor)}\nand\n{_burning(short, factor)}\nand\n  {judged} >= 50",
        hold=hold,
        severity=severity,
        labels=_LABELS,
        summary=(
            "Objective {{ $labels.objective }} of account {{ $labels.account }} is missed by"
            " {{ $value | humanizePercentage }}"
        ),
        description=(
            f"{{{{ $value | humanizePercentage }}}} of the messages that the objective judged in {long} (50 or more)"
            f" missed it, and so do those of the last {short}: {factor} times what it may miss, or more than half"
            f" of the target."
        ),
        dashboard="smsbat-objectives",
        exec_error=ExecError.ERROR,
        why="what burns shall not burn unseen, and a day of history can time out; without objectives nothing does",
    )


FAST: Final = _burn("SmsbatObjectiveBurnFast", _Windows("1h", "5m", "14.4"), hold="2m", severity=Severity.CRITICAL)
SLOW: Final = _burn("SmsbatObjectiveBurnSlow", _Windows("1d", "2h", "3"), hold="15m", severity=Severity.WARNING)

GROUP: Final = Group("smsbat-objectives", RECORDS, (FAST, SLOW))
