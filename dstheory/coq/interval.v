(* What theorems about numbers with logarithms and exponentials need besides: coq-interval. *)
Require Import Reals Lra Psatz.
From Interval Require Export Tactic.
Open Scope R_scope.
Ltac by_numbers :=
  unfold Rpower in *;
  repeat match goal with
  | |- _ /\ _ => split
  | |- ~ (_ <= _) => apply Rlt_not_le
  | |- ~ (_ < _) => apply Rle_not_lt
  | |- ~ (_ >= _) => apply Rlt_not_ge
  | |- ~ (_ > _) => apply Rle_not_gt
  | |- ~ (_ = _) => first [ apply Rlt_not_eq; interval with (i_prec 120) | apply Rgt_not_eq; interval with (i_prec 120) ]
  end;
  first [ lra | interval with (i_prec 120) ].
