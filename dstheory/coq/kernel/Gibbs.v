(* Relative entropy: never negative, zero only for equal probabilities. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums.
Open Scope R_scope.

Lemma ln_below x : 0 < x -> ln x <= x - 1.
Proof. intro P. pose proof (exp_ineq1_le (ln x)) as E. rewrite exp_ln in E by exact P. lra. Qed.

Lemma ln_strictly_below x : 0 < x -> x <> 1 -> ln x < x - 1.
Proof.
intros P N. assert (ln x <> 0) as M. { intro Z. apply N. rewrite <- (exp_ln x P), Z. apply exp_0. }
pose proof (exp_ineq1 (ln x) M) as E. rewrite exp_ln in E by exact P. lra.
Qed.

Lemma ln_div x y : 0 < x -> 0 < y -> ln (x / y) = ln x - ln y.
Proof. intros P Q. unfold Rdiv. rewrite ln_mult; [|exact P | apply Rinv_0_lt_compat, Q]. rewrite ln_Rinv by exact Q. ring. Qed.

Lemma entropy_term p r : 0 <= p -> 0 < r -> 0 <= r - p + p * ln (p / r) /\ (r - p + p * ln (p / r) = 0 -> p = r).
Proof.
intros [P|<-] R; [|split; [lra | intro; exfalso; lra]].
assert (Q : 0 < r / p) by (apply Rdiv_lt_0_compat; assumption). assert (M : p * (r / p) = r) by (field; lra).
replace (ln (p / r)) with (- ln (r / p)) by (rewrite !ln_div by assumption; ring).
pose proof (ln_below (r / p) Q). split; [nra|]. intro Z.
destruct (Req_dec (r / p) 1) as [O|O]; [rewrite O in M; lra|]. pose proof (ln_strictly_below (r / p) Q O). nra.
Qed.

(* KL(p || r) = sum p ln(p/r), where p may vanish. *)
Definition KL n (p r : nat -> R) := Sum n (fun i => p i * ln (p i / r i)).

(* The cross entropy is smallest at the demonstrator's own probabilities. *)
Theorem gibbs n (p r : nat -> R) : Sum n p = 1 -> Sum n r = 1 ->
  (forall i, (i < n)%nat -> 0 <= p i) -> (forall i, (i < n)%nat -> 0 < r i) ->
  0 <= KL n p r /\ (KL n p r = 0 <-> forall i, (i < n)%nat -> p i = r i).
Proof.
intros Hp Hr Pp Pr.
assert (E : KL n p r = Sum n (fun i => r i - p i + p i * ln (p i / r i))).
{ rewrite Sum_plus, Sum_minus, Hp, Hr. unfold KL. ring. }
assert (N := fun i Hi => entropy_term (p i) (r i) (Pp i Hi) (Pr i Hi)).
split; [rewrite E; apply Sum_nonneg; intros i Hi; apply (N i Hi)|]. split.
- intros Z i Hi. rewrite E in Z. apply (N i Hi). apply (Sum_zero_each n _ (fun i Hi => proj1 (N i Hi)) Z i Hi).
- intro H. unfold KL. apply Sum_zero. intros i Hi. rewrite H by exact Hi. pose proof (Pr i Hi).
  replace (r i / r i) with 1 by (field; lra). rewrite ln_1. ring.
Qed.
