(* What the exported theorems use: real numbers, and a few tactics. Needs Coq 8.16 or later, nothing else. *)
Require Import Reals Lra Psatz.
Open Scope R_scope.

Lemma gt_iff x y K U : x - y = K * U -> 0 < K -> (x > y <-> 0 < U).
Proof. intros E H; split; intro; nra. Qed.
Lemma lt_iff x y K U : x - y = K * U -> 0 < K -> (x < y <-> U < 0).
Proof. intros E H; split; intro; nra. Qed.
Lemma ge_iff x y K U : x - y = K * U -> 0 < K -> (x >= y <-> 0 <= U).
Proof. intros E H; split; intro; nra. Qed.
Lemma le_iff x y K U : x - y = K * U -> 0 < K -> (x <= y <-> U <= 0).
Proof. intros E H; split; intro; nra. Qed.
Lemma eq_iff x y K U : x - y = K * U -> 0 < K -> (x = y <-> U = 0).
Proof. intros E H; split; intro; nra. Qed.
Lemma ne_iff x y K U : x - y = K * U -> 0 < K -> (x <> y <-> U <> 0).
Proof. intros E H; split; intros A B; apply A; nra. Qed.

Lemma ln_facts x : 0 < x -> ln x <= x - 1 /\ x * ln x >= x - 1 /\ (x = 1 \/ (ln x < x - 1 /\ x * ln x > x - 1)).
Proof.
assert (low : forall y, 0 < y -> ln y <= y - 1).
{ intros y P. pose proof (exp_ineq1_le (ln y)) as E. rewrite exp_ln in E by exact P. lra. }
assert (strict : forall y, 0 < y -> y <> 1 -> ln y < y - 1).
{ intros y P N. assert (ln y <> 0) as M. { intro Z. apply N. rewrite <- (exp_ln y P), Z. apply exp_0. }
  pose proof (exp_ineq1 (ln y) M) as E. rewrite exp_ln in E by exact P. lra. }
assert (inv : forall y, 0 < y -> ln (/ y) = - ln y) by (intros; apply ln_Rinv; assumption).
intro P. assert (0 < / x) as Q by (apply Rinv_0_lt_compat; exact P).
assert (x * / x = 1) as I by (field; lra).
split; [apply low; exact P|]. split.
- pose proof (low (/ x) Q) as E. rewrite inv in E by exact P. nra.
- destruct (Req_dec x 1) as [|N]; [left; assumption|right]. split; [apply strict; assumption|].
  assert (/ x <> 1) as M. { intro Z. apply N. rewrite Z in I. lra. }
  pose proof (strict (/ x) Q M) as E. rewrite inv in E by exact P. nra.
Qed.
Lemma exp_facts t : 0 < exp t /\ exp t >= 1 + t /\ exp t * (1 - t) <= 1 /\ (t = 0 \/ (exp t > 1 + t /\ exp t * (1 - t) < 1)).
Proof.
pose proof (exp_pos t) as P. pose proof (exp_ineq1_le t) as E. pose proof (exp_ineq1_le (- t)) as F.
assert (exp t * exp (- t) = 1) as I by (rewrite <- exp_plus; replace (t + - t) with 0 by ring; apply exp_0).
split; [exact P|]. split; [lra|]. split; [nra|].
destruct (Req_dec t 0) as [|N]; [left; assumption|right].
pose proof (exp_ineq1 t N). assert (- t <> 0) as M by lra. pose proof (exp_ineq1 (- t) M). split; [lra|nra].
Qed.
Lemma ln_quotient x y : 0 < x -> 0 < y -> ln (x / y) = ln x - ln y.
Proof. intros P Q. unfold Rdiv. rewrite ln_mult; [|exact P|apply Rinv_0_lt_compat; exact Q]. rewrite ln_Rinv by exact Q. ring. Qed.
Lemma ln_ratio n d : 0 < n -> 0 < d -> d * (ln n - ln d) <= n - d /\ n * (ln n - ln d) >= n - d
  /\ (n = d \/ (d * (ln n - ln d) < n - d /\ n * (ln n - ln d) > n - d)).
Proof.
intros P Q. assert (0 < n / d) as R by (apply Rdiv_lt_0_compat; assumption).
destruct (ln_facts (n / d) R) as [A [B C]]. rewrite (ln_quotient n d P Q) in A, B, C.
assert (E : n = n / d * d) by (field; lra). set (L := ln n - ln d) in *. set (r := n / d) in *. clearbody L r.
split; [nra|]. split; [nra|]. destruct C as [C|[C D]]; [left|right; split]; nra.
Qed.
Lemma ln_power x n : 0 < x -> ln (x ^ n) = INR n * ln x.
Proof.
intro P. induction n as [|n I]; [simpl; rewrite ln_1; ring|].
rewrite S_INR. simpl pow. rewrite ln_mult; [rewrite I; ring|exact P|apply pow_lt; exact P].
Qed.
Lemma ln_root x : 0 < x -> ln (sqrt x) = 1 / 2 * ln x.
Proof.
intro P. assert (0 < sqrt x) as Q by (apply sqrt_lt_R0; exact P).
assert (ln (sqrt x * sqrt x) = ln x) as E by (rewrite sqrt_sqrt; [reflexivity|lra]).
rewrite ln_mult in E by exact Q. lra.
Qed.
Lemma ln_Rpower x y : ln (Rpower x y) = y * ln x.
Proof. unfold Rpower. apply ln_exp. Qed.
Lemma Rpower_positive x y : 0 < Rpower x y.
Proof. unfold Rpower. apply exp_pos. Qed.

Lemma root_power x n : 0 < x -> (0 < n)%nat -> Rpower x (1 / INR n) ^ n = x.
Proof.
intros P N. apply ln_inv; [apply pow_lt, Rpower_positive | exact P |].
rewrite ln_power by apply Rpower_positive. rewrite ln_Rpower. field. apply not_0_INR. intro Z. subst. inversion N.
Qed.

(* Cauchy and Schwarz in one step, and squares that are compared by their roots. *)
Lemma root_bounds x y : 0 <= y -> x ^ 2 <= y ^ 2 -> - y <= x <= y.
Proof. intros P E. split; apply Rnot_lt_le; intro N; nra. Qed.
Lemma two_products a b c x y : 0 <= a -> 0 <= b -> c ^ 2 <= a * b -> 2 * (c * x * y) <= a * x ^ 2 + b * y ^ 2.
Proof.
intros P Q E. apply root_bounds.
{ pose proof (pow2_ge_0 x). pose proof (pow2_ge_0 y). nra. }
assert (c ^ 2 * (x ^ 2 * y ^ 2) <= a * b * (x ^ 2 * y ^ 2)).
{ apply Rmult_le_compat_r; [|exact E]. apply Rmult_le_pos; apply pow2_ge_0. }
pose proof (pow2_ge_0 (a * x ^ 2 - b * y ^ 2)). nra.
Qed.
(* Powers of positive numbers. *)
Lemma ln_sign x : 0 < x -> (ln x = 0 <-> x = 1) /\ (0 < ln x <-> 1 < x) /\ (ln x < 0 <-> x < 1).
Proof.
intro P. pose proof (ln_facts x P) as [A [B C]].
split; [|split]; split; intro H.
- destruct C as [C|[C D]]; [exact C|]. rewrite H in C, D. lra.
- rewrite H. apply ln_1.
- lra.
- rewrite <- ln_1. apply ln_increasing; lra.
- apply Rnot_le_lt. intro N. destruct N as [N|N]; [|rewrite <- N, ln_1 in H; lra].
  pose proof (ln_increasing 1 x ltac:(lra) N) as M. rewrite ln_1 in M. lra.
- rewrite <- ln_1. apply ln_increasing; lra.
Qed.
Lemma exp_sign t : (exp t = 1 <-> t = 0) /\ (1 < exp t <-> 0 < t) /\ (exp t < 1 <-> t < 0).
Proof.
pose proof (exp_pos t) as P. pose proof (ln_sign (exp t) P) as [A [B C]]. rewrite ln_exp in A, B, C. tauto.
Qed.
Lemma Rpower_sign x y : 0 < x ->
  (Rpower x y = 1 <-> y * ln x = 0) /\ (1 < Rpower x y <-> 0 < y * ln x) /\ (Rpower x y < 1 <-> y * ln x < 0).
Proof. intro P. unfold Rpower. apply exp_sign. Qed.
Lemma Rpower_inverse_root x : 0 < x -> Rpower x (- (1 / 2)) = / sqrt x.
Proof. intro P. rewrite Rpower_Ropp. replace (1 / 2) with (/ 2) by field. rewrite Rpower_sqrt by exact P. reflexivity. Qed.

(* A product or quotient of things known to be positive. *)
Ltac positive :=
  match goal with
  | H : ?g |- ?g => exact H
  | |- 0 < _ * _ => apply Rmult_lt_0_compat; positive
  | |- 0 < _ / _ => apply Rdiv_lt_0_compat; positive
  | |- 0 < _ ^ _ => apply pow_lt; positive
  | |- 0 < / _ => apply Rinv_0_lt_compat; positive
  | |- 0 < exp _ => apply exp_pos
  | |- 0 < Rpower _ _ => apply Rpower_positive
  | |- 0 < sqrt _ => apply sqrt_lt_R0; positive
  | |- 0 < _ + _ => apply Rplus_lt_0_compat; positive
  | |- _ => lra
  end.
Ltac nonnegative :=
  match goal with
  | H : ?g |- ?g => exact H
  | H : 0 < ?x |- 0 <= ?x => apply Rlt_le; exact H
  | |- 0 <= _ + _ => apply Rplus_le_le_0_compat; nonnegative
  | |- 0 <= _ * _ => apply Rmult_le_pos; nonnegative
  | |- 0 <= _ ^ _ => apply pow_le; nonnegative
  | |- _ => lra
  end.
(* A sum whose first term is positive and whose others are nonnegative. *)
Ltac sum_positive :=
  match goal with
  | |- 0 < _ + _ => apply Rplus_lt_le_0_compat; [sum_positive | nonnegative]
  | |- _ => positive
  end.
Ltac nonzero :=
  match goal with
  | H : ?x <> 0 |- ?x <> 0 => exact H
  | H : 0 < ?x |- ?x <> 0 => apply Rgt_not_eq; exact H
  | |- _ * _ <> 0 => apply Rmult_integral_contrapositive_currified; nonzero
  | |- _ ^ _ <> 0 => apply pow_nonzero; nonzero
  | |- _ / _ <> 0 => unfold Rdiv; apply Rmult_integral_contrapositive_currified; nonzero
  | |- / _ <> 0 => apply Rinv_neq_0_compat; nonzero
  | |- exp _ <> 0 => apply Rgt_not_eq, exp_pos
  | |- Rpower _ _ <> 0 => apply Rgt_not_eq, Rpower_positive
  | |- _ + _ <> 0 => apply Rgt_not_eq, Rlt_gt; positive
  | |- _ => apply Rgt_not_eq; lra
  | |- _ => apply Rlt_not_eq; lra
  | H : ?x <> 0 |- ?y <> 0 => replace y with x by ring; exact H
  | H : ?x <> 0 |- ?y <> 0 => replace y with (- x) by ring; apply Ropp_neq_0_compat; exact H
  | H : 0 < ?x |- ?y <> 0 => replace y with x by ring; apply Rgt_not_eq; exact H
  | H : 0 < ?x |- ?y <> 0 => replace y with (- x) by ring; apply Ropp_neq_0_compat, Rgt_not_eq; exact H
  | |- _ => nra
  end.
Ltac equal := first [ ring | field; repeat split; nonzero ].
Ltac break :=
  repeat match goal with
  | |- _ /\ _ => split
  | |- _ <-> _ => split
  | |- _ -> _ => intro
  | |- _ <> _ => intro
  | H : _ /\ _ |- _ => destruct H
  | H : _ \/ _ |- _ => destruct H
  end.
(* A polynomial is positive where it is, times something positive, a positive sum and something that is zero. *)
Lemma above_zero u over sum zero : over * u = sum + zero -> 0 < over -> 0 < sum -> zero = 0 -> 0 < u.
Proof. intros E O P Z. apply (Rmult_lt_reg_l over); [exact O | lra]. Qed.
Lemma not_below_zero u over sum zero : over * u = sum + zero -> 0 < over -> 0 <= sum -> zero = 0 -> 0 <= u.
Proof. intros E O P Z. apply (Rmult_le_reg_l over); [exact O | lra]. Qed.
Lemma square_positive x : x <> 0 -> 0 < x ^ 2.
Proof. intro N. replace (x ^ 2) with (Rsqr x) by (unfold Rsqr; ring). apply Rlt_0_sqr. exact N. Qed.
Lemma max_facts x y : Rmax x y >= x /\ Rmax x y >= y /\ (Rmax x y = x \/ Rmax x y = y).
Proof. unfold Rmax. destruct (Rle_dec x y); repeat split; lra. Qed.
Lemma min_facts x y : Rmin x y <= x /\ Rmin x y <= y /\ (Rmin x y = x \/ Rmin x y = y).
Proof. unfold Rmin. destruct (Rle_dec x y); repeat split; lra. Qed.
Lemma abs_facts x : Rabs x >= 0 /\ (Rabs x = x \/ Rabs x = - x).
Proof. unfold Rabs. destruct (Rcase_abs x); split; lra. Qed.

Ltac known := first [ assumption | lra ].
(* A case of a statement: by a reason given, or by search. *)
Ltac leaf_by reason :=
  first
  [ assumption
  | lra
  | solve [ reason ]
  | match goal with |- _ \/ _ => first [ left; leaf_by reason | right; leaf_by reason ] end
  | match goal with
    | |- _ \/ ?x = 0 => destruct (Req_dec x 0); [ right; assumption | left; leaf_by reason ]
    | |- ?x = 0 \/ _ => destruct (Req_dec x 0); [ left; assumption | right; leaf_by reason ]
    end
  | timeout 60 nra
  | match goal with H : ?x <> 0 |- _ => apply H; first [ lra | timeout 60 nra ] end ].
Ltac settle_by reason := first [ tauto | lra | break; leaf_by reason ].
Ltac settle := settle_by fail.
(* Logarithms of products, quotients, powers and exponentials, written out. *)
Ltac logs :=
  repeat first
  [ rewrite ln_mult by positive | rewrite ln_quotient by positive | rewrite ln_power by positive | rewrite ln_exp
  | rewrite ln_Rpower | rewrite ln_root by positive | rewrite ln_1 ];
  simpl INR; first [ ring | field; repeat split; nonzero | lra ].
