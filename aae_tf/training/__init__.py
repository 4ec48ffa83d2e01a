"""A training step: the trainer that `compile` makes, schedules, objective, updaters and guard."""

from aae_tf.training.balance import Balance
from aae_tf.training.guard import Guard
from aae_tf.training.schedules import SCHEDULES, alternating_step, joint_step
from aae_tf.training.terms import Batch, Code, ExtraTerm, LossTerms, StepResult, Update
from aae_tf.training.trainer import Trainer
from aae_tf.training.updater import Updater

__all__ = [
    "SCHEDULES",
    "Balance",
    "Batch",
    "Code",
    "ExtraTerm",
    "Guard",
    "LossTerms",
    "StepResult",
    "Trainer",
    "Update",
    "Updater",
    "alternating_step",
    "joint_step",
]
