(* H9-majority: the majority of any odd number of verifiers with independent errors. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia ZArith.
From Kernel Require Import Sums Trajectories.
Open Scope R_scope.

(* The chance that d, and 1 for each of n draws that is wrong, less 1 for each that is right, come to more than 0; and to s exactly. *)
Fixpoint over (r : R) n (d : Z) : R := match n with
  | O => if Z_lt_dec 0 d then 1 else 0
  | S n => r * over r n (d + 1) + (1 - r) * over r n (d - 1) end.
Fixpoint at_last (r : R) n (s : Z) : R := match n with
  | O => if Z.eq_dec s 0 then 1 else 0
  | S n => r * at_last r n (s - 1) + (1 - r) * at_last r n (s + 1) end.
(* The chance that more than half of n draws are wrong, each with chance r. *)
Definition wrong_majority r n := over r n 0.

Lemma over_step r n : forall d, over r n (d + 1) - over r n d = at_last r n (- d).
Proof.
induction n as [|n I]; intro d; cbn [over at_last].
- destruct (Z_lt_dec 0 (d + 1)), (Z_lt_dec 0 d), (Z.eq_dec (- d) 0); try lia; ring.
- replace (d + 1 - 1)%Z with (d - 1 + 1)%Z by lia. pose proof (I (d + 1)%Z) as A. pose proof (I (d - 1)%Z) as B.
  replace (- (d + 1))%Z with (- d - 1)%Z in A by lia. replace (- (d - 1))%Z with (- d + 1)%Z in B by lia. rewrite <- A, <- B. ring.
Qed.

(* Draws that are wrong with chance 1 - r are right with chance r. *)
Lemma over_flip r n : forall d, over (1 - r) n d = 1 - over r n (1 - d).
Proof.
induction n as [|n I]; intro d; cbn [over at_last].
- destruct (Z_lt_dec 0 d), (Z_lt_dec 0 (1 - d)); try lia; ring.
- rewrite !I. replace (1 - (d + 1))%Z with (1 - d - 1)%Z by lia. replace (1 - (d - 1))%Z with (1 - d + 1)%Z by lia. ring.
Qed.

(* Odd sums alone come from an odd number of draws. *)
Lemma at_parity r n : forall s, Z.odd s <> Nat.odd n -> at_last r n s = 0.
Proof.
induction n as [|n I]; intros s H; cbn [over at_last].
- destruct (Z.eq_dec s 0) as [->|]; [exfalso; apply H; reflexivity | reflexivity].
- rewrite Nat.odd_succ, <- Nat.negb_odd in H.
  rewrite !I; [ring | |]; intro E; apply H; rewrite <- E; [rewrite Z.odd_add | rewrite Z.odd_sub]; simpl; destruct (Z.odd s); reflexivity.
Qed.

Lemma at_nonneg r n : 0 <= r <= 1 -> forall s, 0 <= at_last r n s.
Proof.
intro H. induction n as [|n I]; intro s; cbn [at_last]; [destruct (Z.eq_dec s 0); lra|].
apply Rplus_le_le_0_compat; apply Rmult_le_pos; lra || apply I.
Qed.

Lemma at_pos r n : 0 < r < 1 -> forall s, (- Z.of_nat n <= s <= Z.of_nat n)%Z -> Z.odd s = Nat.odd n -> 0 < at_last r n s.
Proof.
intro H. induction n as [|n I]; intros s B P; cbn [at_last].
- destruct (Z.eq_dec s 0); [lra | lia].
- assert (Q : forall t, Z.odd t = negb (Z.odd s) -> Z.odd t = Nat.odd n).
  { intros t T. rewrite T, P, Nat.odd_succ, <- Nat.negb_odd. destruct (Nat.odd n); reflexivity. }
  assert (Qm : Z.odd (s - 1) = Nat.odd n) by (apply Q; rewrite Z.odd_sub; destruct (Z.odd s); reflexivity).
  assert (Qp : Z.odd (s + 1) = Nat.odd n) by (apply Q; rewrite Z.odd_add; destruct (Z.odd s); reflexivity).
  pose proof (at_nonneg r n ltac:(lra) (s - 1)) as A. pose proof (at_nonneg r n ltac:(lra) (s + 1)) as C.
  destruct (Z_le_dec s 0) as [L|L].
  + destruct n as [|n].
    * simpl in *. destruct (Z.eq_dec s 0) as [->|]; [discriminate P|]. replace (s + 1)%Z with 0%Z in * by lia. simpl. destruct (Z.eq_dec (s - 1) 0); lra.
    * pose proof (I (s + 1)%Z ltac:(lia) Qp). apply Rplus_le_lt_0_compat; [apply Rmult_le_pos; lra | apply Rmult_lt_0_compat; lra].
  + pose proof (I (s - 1)%Z ltac:(lia) Qm). apply Rplus_lt_le_0_compat; [apply Rmult_lt_0_compat; lra | apply Rmult_le_pos; lra].
Qed.

(* A sum s is as likely as -s, but for s more factors r/(1 - r). *)
Lemma at_mirror r n : 0 < r < 1 -> forall s, at_last r n (- s) = at_last r n s * powerRZ (r / (1 - r)) (- s).
Proof.
intro H. set (q := r / (1 - r)). assert (Q : q <> 0) by (unfold q; apply Rgt_not_eq, Rdiv_lt_0_compat; lra).
induction n as [|n I]; intro s; cbn [at_last].
- destruct (Z.eq_dec s 0) as [->|]; destruct (Z.eq_dec _ 0); try lia; simpl; ring.
- replace (- s - 1)%Z with (- (s + 1))%Z by lia. replace (- s + 1)%Z with (- (s - 1))%Z by lia. rewrite !I.
  replace (- (s + 1))%Z with (- s + -1)%Z by lia. replace (- (s - 1))%Z with (- s + 1)%Z by lia. rewrite !powerRZ_add by exact Q.
  simpl. unfold q. field. lra.
Qed.

Lemma over_mono r n : 0 <= r <= 1 -> forall d, over r n d <= over r n (d + 1).
Proof. intros H d. pose proof (over_step r n d). pose proof (at_nonneg r n H (- d)). lra. Qed.

(* f rises strictly with r. *)
Lemma over_rate r s n : 0 <= r < s -> s <= 1 -> forall d, over r n d <= over s n d.
Proof.
intros H K. induction n as [|n I]; intro d; cbn [over]; [lra|].
pose proof (I (d + 1)%Z). pose proof (I (d - 1)%Z) as A. pose proof (over_mono r n ltac:(lra) (d - 1)) as B. pose proof (over_mono r n ltac:(lra) d) as C.
replace (d - 1 + 1)%Z with d in B by lia. nra.
Qed.

Lemma majority_rises r s n : 0 < r < s -> s < 1 -> (0 < n)%nat -> wrong_majority r n < wrong_majority s n.
Proof.
intros H K N. destruct n as [|n]; [lia|]. clear N. unfold wrong_majority. simpl.
pose proof (over_rate r s n ltac:(lra) ltac:(lra) 1) as A. pose proof (over_rate r s n ltac:(lra) ltac:(lra) (-1)) as B.
assert (C : over r n (-1) < over r n 1).
{ pose proof (over_step r n (-1)) as U. pose proof (over_step r n 0) as V. simpl in U, V.
  pose proof (at_nonneg r n ltac:(lra) 1). pose proof (at_nonneg r n ltac:(lra) 0). destruct (Nat.odd n) eqn:O.
  - destruct n as [|n]; [discriminate O|]. pose proof (at_pos r (S n) ltac:(lra) 1 ltac:(lia) ltac:(rewrite O; reflexivity)). lra.
  - pose proof (at_pos r n ltac:(lra) 0 ltac:(lia) ltac:(rewrite O; reflexivity)). lra. }
nra.
Qed.

(* The errors of a majority of n = 2m + 1: f(1 - r) = 1 - f(r), and three votes in full. *)
Theorem majority_form r n : Nat.odd n = true ->
  wrong_majority (1 - r) n = 1 - wrong_majority r n /\ wrong_majority r 1 = r /\ wrong_majority r 3 = r ^ 2 * (3 - 2 * r).
Proof.
intro O. split; [|split; unfold wrong_majority; simpl; ring]. unfold wrong_majority. rewrite over_flip. f_equal.
pose proof (over_step r n 0) as S. simpl in S. rewrite at_parity in S by (rewrite O; discriminate). change (1 - 0)%Z with 1%Z. lra.
Qed.

(* From n to n + 2 votes an error rate falls exactly if it is below 1/2, and rises exactly if it is above. *)
Theorem more_votes r n : Nat.odd n = true -> 0 < r < 1 ->
  (wrong_majority r (S (S n)) < wrong_majority r n <-> r < 1 / 2) /\ (wrong_majority r (S (S n)) > wrong_majority r n <-> r > 1 / 2).
Proof.
intros O H. unfold wrong_majority.
assert (E : over r (S (S n)) 0 - over r n 0 = r ^ 2 * (at_last r n 0 + at_last r n (-1)) - (1 - r) ^ 2 * (at_last r n 1 + at_last r n 2)).
{ simpl. pose proof (over_step r n 0) as A. pose proof (over_step r n 1) as B. pose proof (over_step r n (-1)) as C. pose proof (over_step r n (-2)) as D.
  simpl in A, B, C, D. rewrite <- A, <- B, <- C, <- D. ring. }
rewrite (at_parity r n 0), (at_parity r n 2) in E by (rewrite O; discriminate).
pose proof (at_mirror r n H 1) as M. simpl in M. rewrite M in E. set (c := at_last r n 1) in *.
assert (P : 0 < c). { apply at_pos; [exact H | destruct n; [discriminate O | lia] | rewrite O; reflexivity]. }
assert (F : over r (S (S n)) 0 - over r n 0 = c * (1 - r) * (2 * r - 1)) by (rewrite E; field; lra).
assert (Q : 0 < c * (1 - r)) by (apply Rmult_lt_0_compat; lra). split; split; intro X; nra.
Qed.

(* Paid by the majority, right trajectories with chance 1 - f(r_0) and wrong ones with f(r_1), both stages get the accuracy's update times
   f(1 - r_1) - f(r_0), for any number of answers and turns; that has the sign of 1 - r_0 - r_1. *)
Theorem majority_sign r0 r1 n : Nat.odd n = true -> 0 < r0 < 1 -> 0 < r1 < 1 ->
  let factor := wrong_majority (1 - r1) n - wrong_majority r0 n in
  factor = 1 - wrong_majority r0 n - wrong_majority r1 n
  /\ (factor > 0 <-> 1 - r0 - r1 > 0) /\ (factor = 0 <-> 1 - r0 - r1 = 0) /\ (factor < 0 <-> 1 - r0 - r1 < 0).
Proof.
intros O A B factor. split; [unfold factor; rewrite (proj1 (majority_form r1 n O)); ring|].
assert (N : (0 < n)%nat) by (destruct n; [discriminate O | lia]).
assert (T : 1 - r0 - r1 > 0 -> factor > 0) by (intro X; pose proof (majority_rises r0 (1 - r1) n ltac:(lra) ltac:(lra) N); unfold factor; lra).
assert (U : 1 - r0 - r1 < 0 -> factor < 0) by (intro X; pose proof (majority_rises (1 - r1) r0 n ltac:(lra) ltac:(lra) N); unfold factor; lra).
assert (V : 1 - r0 - r1 = 0 -> factor = 0) by (intro X; unfold factor; replace (1 - r1) with r0 by lra; ring).
destruct (Rtotal_order (1 - r0 - r1) 0) as [X|[X|X]]; [pose proof (U X) | pose proof (V X) | pose proof (T X)]; repeat split; intro; lra.
Qed.

Theorem majority_update m pi s ls lstop lres F r0 r1 n T k h : (forall k, Sum m (pi k) = 1) ->
  (forall k, Sum m (fun y => pi k y * ls k y) = 0) ->
  (forall k y, (y < m)%nat -> s k y * lstop k y + (1 - s k y) * lres k y = 0) -> (forall l, F l = 0 \/ F l = 1) -> Nat.odd n = true ->
  let paid := fun h l : trajectory => if Req_EM_T (F (whole h l)) 1 then 1 - wrong_majority r0 n else wrong_majority r1 n in
  Ex m pi s T k (rule_sum ls lstop lres paid paid T k h)
  = (wrong_majority (1 - r1) n - wrong_majority r0 n) * Ex m pi s T k (rule_sum ls lstop lres (return_form F) (return_form F) T k h).
Proof.
intros S Zs Zd B O paid. unfold paid. rewrite (surrogate_invariance m pi s S ls lstop lres Zs Zd F (wrong_majority r1 n) (1 - wrong_majority r0 n) T k h B).
rewrite (proj1 (majority_form r1 n O)). f_equal. ring.
Qed.

(* The hypotheses can be met: five votes; at rates 1/4 and 1/3 the factor is 1 - 53/512 - 17/81. *)
Example five_votes : Nat.odd 5 = true /\ wrong_majority (1 / 4) 5 = 53 / 512 /\ wrong_majority (1 / 3) 5 = 17 / 81.
Proof. split; [reflexivity|]. unfold wrong_majority. simpl. split; field. Qed.
