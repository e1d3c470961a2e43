"""Learned multiplication: two policies that really learn, with p, a and b known exactly."""

from __future__ import annotations

from dstheory.arithmetic.policy import ArithmeticPolicy, Start, start_policy
from dstheory.arithmetic.rollouts import Rollouts, roll_out
from dstheory.arithmetic.task import ALL_SIZES, LARGER_SIZES, TRAINED_SIZES, Problems, draw_problems, parse_size, schedule

__all__ = [
    "ALL_SIZES", "LARGER_SIZES", "TRAINED_SIZES", "ArithmeticPolicy", "Problems", "Rollouts", "Start", "draw_problems",
    "parse_size", "roll_out", "schedule", "start_policy",
]  # fmt: skip
