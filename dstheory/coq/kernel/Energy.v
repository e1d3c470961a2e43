(* The energy law: with a table of its own at every turn, the stage energies of a reward add up to the variance of the return. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List.
From Kernel Require Import Sums Trajectories Chain.
Open Scope R_scope.

Lemma Sum_first n f : Sum (S n) f = f 0%nat + Sum n (fun i => f (S i)).
Proof. induction n; simpl in *; [ring|]. rewrite IHn. ring. Qed.

Section Energy.
(* Rewards of stopping and resampling at turn k, of the last answer, and a discount per turn. *)
Variables (n : nat) (pi s Rs Rr : nat -> nat -> R) (Rl : nat -> nat -> R) (g : R).
Hypothesis sums : forall k, Sum n (pi k) = 1.
Notation E := (Ex n pi s).

(* The return of a trajectory from turn k on, with T decisions before the last answer is submitted. *)
Fixpoint ret (T k : nat) (l : trajectory) {struct l} : R :=
  match l with
  | nil => 0
  | (y, d) :: rest =>
      match T with O => Rl k y | S T => if d then Rs k y else Rr k y + g * ret T (S k) rest end
  end.

Definition V T k := E T k (ret T k).
Definition Q_res T k y := Rr k y + g * V T (S k).
Definition Q T k y := match T with O => Rl k y | S T => s k y * Rs k y + (1 - s k y) * Q_res T k y end.
Definition variance_of_return T k := E T k (fun l => ret T k l ^ 2) - V T k ^ 2.

(* The mean squared advantages of a turn, the probability of reaching turn k + j from turn k, and the energies: each turn has its
   advantages, weighted by reach and by the square of its discount. *)
Definition sampling_variance T k := Sum n (fun y => pi k y * (Q T k y - V T k) ^ 2).
Definition decision_variance T k :=
  match T with O => 0 | S T => Sum n (fun y => pi k y * (s k y * (1 - s k y) * (Rs k y - Q_res T k y) ^ 2)) end.
Fixpoint reach k j := match j with O => 1 | S j => again n (pi k) (s k) * reach (S k) j end.
Definition energy v T k := Sum (S T) (fun j => (g ^ 2) ^ j * reach k j * v (T - j)%nat (k + j)%nat).

(* The Bellman equations of the capped chain. *)
Theorem bellman_capped T k : V T k = Sum n (fun y => pi k y * Q T k y).
Proof.
destruct T as [|T]; unfold V; simpl; [reflexivity|]. apply Sum_ext; intros y Hy. unfold Q_res.
rewrite (Ex_plus n pi s T (S k) (fun _ => Rr k y) (fun l => g * ret T (S k) l)), Ex_const by exact sums.
rewrite Ex_scal. reflexivity.
Qed.

Lemma energy_step v T k : energy v (S T) k = v (S T) k + g ^ 2 * again n (pi k) (s k) * energy v T (S k).
Proof.
unfold energy. rewrite Sum_first. rewrite Nat.add_0_r, Nat.sub_0_r, pow_O.
rewrite (Sum_ext (S T) _ (fun j => (g ^ 2 * again n (pi k) (s k)) * ((g ^ 2) ^ j * reach (S k) j * v (T - j)%nat (S k + j)%nat))).
- rewrite Sum_scal. change (reach k 0) with 1. ring.
- intros j Hj. replace (k + S j)%nat with (S k + j)%nat by lia.
  replace (S T - S j)%nat with (T - j)%nat by lia. rewrite <- tech_pow_Rmult. change (reach k (S j)) with (again n (pi k) (s k) * reach (S k) j). ring.
Qed.

Lemma variance_step T k : variance_of_return (S T) k
  = sampling_variance (S T) k + decision_variance (S T) k + g ^ 2 * again n (pi k) (s k) * variance_of_return T (S k).
Proof.
unfold variance_of_return, sampling_variance.
rewrite (Sum_ext n (fun y => pi k y * (Q (S T) k y - V (S T) k) ^ 2)
  (fun y => pi k y * Q (S T) k y ^ 2 + ((-2 * V (S T) k) * (pi k y * Q (S T) k y) + V (S T) k ^ 2 * pi k y))) by (intros; ring).
rewrite !Sum_plus, !Sum_scal, sums, <- bellman_capped.
replace (E (S T) k (fun l => ret (S T) k l ^ 2)) with (Sum n (fun y => pi k y * (s k y * Rs k y ^ 2
  + (1 - s k y) * (Rr k y ^ 2 + 2 * g * Rr k y * V T (S k) + g ^ 2 * E T (S k) (fun l => ret T (S k) l ^ 2))))).
- set (M := E T (S k) (fun l => ret T (S k) l ^ 2)). set (W := V T (S k)).
  assert (X : Sum n (fun y => pi k y * (s k y * Rs k y ^ 2 + (1 - s k y) * (Rr k y ^ 2 + 2 * g * Rr k y * W + g ^ 2 * M)))
    = Sum n (fun y => pi k y * Q (S T) k y ^ 2) + decision_variance (S T) k + g ^ 2 * again n (pi k) (s k) * (M - W ^ 2)).
  { unfold decision_variance, again. rewrite <- Sum_scal, <- Sum_scal_r, <- !Sum_plus. apply Sum_ext; intros y Hy.
    unfold Q, Q_res. fold W. ring. }
  rewrite X. ring.
- change (E (S T) k (fun l => ret (S T) k l ^ 2)) with (Sum n (fun y => pi k y *
    (s k y * Rs k y ^ 2 + (1 - s k y) * E T (S k) (fun l => (Rr k y + g * ret T (S k) l) ^ 2)))).
  apply Sum_ext; intros y Hy.
  rewrite (Ex_ext n pi s T (S k) (fun l => (Rr k y + g * ret T (S k) l) ^ 2)
    (fun l => Rr k y ^ 2 + ((2 * g * Rr k y) * ret T (S k) l + g ^ 2 * ret T (S k) l ^ 2))) by (intro; ring).
  rewrite !Ex_plus, !Ex_scal, Ex_const by exact sums. fold (V T (S k)). ring.
Qed.

(* B4: the energies of sampling and of decisions add up to the variance of the return; any number of answers and turns, any rewards,
   a table of its own at every turn. *)
Theorem energy_law T : forall k, energy sampling_variance T k + energy decision_variance T k = variance_of_return T k.
Proof.
induction T as [|T I]; intro k.
- unfold energy. simpl. rewrite Nat.add_0_r. unfold sampling_variance, variance_of_return, Q. simpl.
  rewrite (Sum_ext n (fun y => pi k y * ((Rl k y - V 0 k) * ((Rl k y - V 0 k) * 1)))
    (fun y => pi k y * (Rl k y * (Rl k y * 1)) + ((-2 * V 0 k) * (pi k y * Rl k y) + V 0 k ^ 2 * pi k y))) by (intros; ring).
  rewrite !Sum_plus, !Sum_scal, sums. change (Sum n (fun y => pi k y * Rl k y)) with (V 0 k). ring.
- rewrite !energy_step, variance_step, <- I. ring.
Qed.

(* The policy gradient in advantage form: the mean of return times score is the sum over turns of discount, reach and the scores'
   means with the action values. For a score of one turn alone this is the gradient of that turn's table. *)
Section Scores.
Variables ls lstop lres : nat -> nat -> R.
Hypothesis sampling_zero : forall k, Sum n (fun y => pi k y * ls k y) = 0.
Hypothesis decision_zero : forall k y, (y < n)%nat -> s k y * lstop k y + (1 - s k y) * lres k y = 0.
Definition turn_gradient T k := Sum n (fun y => pi k y * (ls k y * Q T k y)) +
  match T with O => 0 | S T => Sum n (fun y => pi k y * (s k y * lstop k y * Rs k y + (1 - s k y) * lres k y * Q_res T k y)) end.

Theorem action_value_form T : forall k h,
  E T k (fun l => ret T k l * rule_sum ls lstop lres one one T k h l)
  = Sum (S T) (fun j => g ^ j * reach k j * turn_gradient (T - j) (k + j)).
Proof.
induction T as [|T I]; intros k h.
- simpl. rewrite Nat.add_0_r. unfold turn_gradient, Q, one. rewrite Rplus_0_l, Rplus_0_r, !Rmult_1_l.
  apply Sum_ext; intros; ring.
- rewrite Sum_first. change (reach k 0) with 1. rewrite Nat.add_0_r, Nat.sub_0_r, pow_O.
  rewrite (Sum_ext (S T) _ (fun j => (g * again n (pi k) (s k)) * (g ^ j * reach (S k) j * turn_gradient (T - j) (S k + j)))).
  2:{ intros j Hj. replace (k + S j)%nat with (S k + j)%nat by lia. replace (S T - S j)%nat with (T - j)%nat by lia.
      rewrite <- tech_pow_Rmult. change (reach k (S j)) with (again n (pi k) (s k) * reach (S k) j). ring. }
  rewrite Sum_scal. set (U := Sum (S T) _).
  simpl Ex. unfold turn_gradient, again.
  replace (g * Sum n (fun y => pi k y * (1 - s k y)) * U) with (Sum n (fun y => pi k y * ((1 - s k y) * (g * U))))
    by (rewrite (Sum_ext n _ (fun y => (pi k y * (1 - s k y)) * (g * U))) by (intros; ring); rewrite Sum_scal_r; ring).
  rewrite !Rmult_1_l, <- !Sum_plus. apply Sum_ext; intros y Hy.
  rewrite (Ex_ext n pi s T (S k) _ (fun l => ((ls k y + lres k y) * Rr k y) + (((ls k y + lres k y) * g) * ret T (S k) l
    + (Rr k y * rule_sum ls lstop lres one one T (S k) ((y, false) :: h) l
       + g * (ret T (S k) l * rule_sum ls lstop lres one one T (S k) ((y, false) :: h) l))))) by (intro; unfold one at 1 2; ring).
  rewrite !Ex_plus, !Ex_scal, Ex_const, I by exact sums. fold U. fold (V T (S k)).
  replace (E T (S k) (rule_sum ls lstop lres one one T (S k) ((y, false) :: h))) with 0.
  + unfold Q, Q_res, one. simpl. ring.
  + symmetry. rewrite <- (baseline_zero n pi s sums ls lstop lres sampling_zero decision_zero (fun _ => 1) (fun _ _ => 1) T (S k) ((y, false) :: h)).
    apply Ex_ext. intro l. generalize ((y, false) :: h). generalize (S k). revert T I U. 
    intros T _ _. revert T. induction l as [|[z d] l J]; intros [|T] k' h'; simpl; try reflexivity. rewrite J. reflexivity.
Qed.
End Scores.
End Energy.

(* What an energy is. In a table of logits with visits w the Fisher information is w (diag(pi) - pi pi^T), and a gradient c pi_j A_j with
   sum pi A = 0 has the energy g . x, x any solution of F x = g: (c^2/w) times the mean of A^2. *)
Theorem energy_softmax n pi A w c x : (forall j, (j < n)%nat -> 0 < pi j) -> Sum n pi = 1 -> w <> 0 ->
  Sum n (fun j => pi j * A j) = 0 ->
  (forall j, (j < n)%nat -> w * (pi j * (x j - Sum n (fun i => pi i * x i))) = c * (pi j * A j)) ->
  Sum n (fun j => c * (pi j * A j) * x j) = c ^ 2 / w * Sum n (fun j => pi j * A j ^ 2).
Proof.
intros P H W Z F. set (m := Sum n (fun i => pi i * x i)) in F.
rewrite (Sum_ext n _ (fun j => (c * m) * (pi j * A j) + (c ^ 2 / w) * (pi j * A j ^ 2))).
- rewrite Sum_plus, !Sum_scal, Z. ring.
- intros j Hj. assert (X : x j = m + c * A j / w).
  { pose proof (F j Hj) as E. assert (w * (x j - m) = c * A j) as E'.
    { apply Rmult_eq_reg_l with (pi j); [lra | apply Rgt_not_eq, P, Hj]. }
    replace (x j) with (m + (w * (x j - m)) / w) by (field; exact W). rewrite E'. reflexivity. }
  rewrite X. field. exact W.
Qed.

Example energy_softmax_met n pi A w c : (forall j, (j < n)%nat -> 0 < pi j) -> Sum n pi = 1 -> w <> 0 -> Sum n (fun j => pi j * A j) = 0 ->
  exists x, (forall j, (j < n)%nat -> w * (pi j * (x j - Sum n (fun i => pi i * x i))) = c * (pi j * A j))
  /\ Sum n (fun j => c * (pi j * A j) * x j) = c ^ 2 / w * Sum n (fun j => pi j * A j ^ 2).
Proof.
intros P H W Z. set (x j := c / w * A j). exists x.
assert (E : forall j, (j < n)%nat -> w * (pi j * (x j - Sum n (fun i => pi i * x i))) = c * (pi j * A j)).
{ intros j _. rewrite (Sum_ext n (fun i => pi i * x i) (fun i => c / w * (pi i * A i))) by (intros; unfold x; ring). rewrite Sum_scal, Z. unfold x. field. exact W. }
split; [exact E | apply (energy_softmax n pi A w c x P H W Z E)].
Qed.

(* The same for the logit of a decision, with Fisher information w s (1 - s) and the gradient c s (1 - s) D. *)
Theorem energy_logistic s D w c x : 0 < s < 1 -> w <> 0 ->
  w * (s * (1 - s)) * x = c * (s * (1 - s) * D) -> c * (s * (1 - s) * D) * x = c ^ 2 / w * (s * (1 - s) * D ^ 2).
Proof.
intros H W E. assert (K : 0 < s * (1 - s)) by nra.
assert (X : x = c * D / w). { apply Rmult_eq_reg_l with (w * (s * (1 - s))); [rewrite E; field; exact W | nra]. }
rewrite X. field. exact W.
Qed.

Example energy_logistic_met s D w c : 0 < s < 1 -> w <> 0 -> exists x,
  w * (s * (1 - s)) * x = c * (s * (1 - s) * D) /\ c * (s * (1 - s) * D) * x = c ^ 2 / w * (s * (1 - s) * D ^ 2).
Proof.
intros S W. exists (c / w * D). assert (E : w * (s * (1 - s)) * (c / w * D) = c * (s * (1 - s) * D)) by (field; exact W).
split; [exact E | apply (energy_logistic s D w c _ S W E)].
Qed.

(* The same for the solution M of the equation of second moments. *)
Lemma energy_second_moments n pi s Rs Rr g M : policy n pi s -> ends n pi s g -> again n pi s < 1 ->
  let V := value n pi s Rs Rr g in let q := again n pi s in
  M = Sum n (fun y => pi y * (s y * Rs y ^ 2 + (1 - s y) * (Rr y ^ 2 + 2 * g * Rr y * V + g ^ 2 * M))) ->
  let A := Sum n (fun y => pi y * (Q_answer s Rs Rr g V y - V) ^ 2) in
  let B := Sum n (fun y => pi y * (s y * (1 - s y) * (Rs y - (Rr y + g * V)) ^ 2)) in
  (turns n pi s g) ^ 2 / (1 / (1 - q)) * (A + B) = (M - V ^ 2) * ((1 - q) * (1 - g ^ 2 * q) / (1 - g * q) ^ 2)
  /\ (1 - q) * (1 - g ^ 2 * q) / (1 - g * q) ^ 2 <= 1.
Proof.
intros P E Q1 V q HM A B. pose proof (discounted_in n pi s g P E) as D. pose proof (again_in n pi s P) as Q0.
assert (HV : Sum n (fun y => pi y * Q_answer s Rs Rr g V y) = V).
{ symmetry. apply (bellman_unique n pi s Rs Rr g V P E). reflexivity. }
assert (X : A + B = (1 - g ^ 2 * q) * (M - V ^ 2)).
{ unfold A. destruct P as [H _].
  rewrite (Sum_ext n (fun y => pi y * (Q_answer s Rs Rr g V y - V) ^ 2)
    (fun y => pi y * Q_answer s Rs Rr g V y ^ 2 + ((-2 * V) * (pi y * Q_answer s Rs Rr g V y) + V ^ 2 * pi y))) by (intros; ring).
  rewrite !Sum_plus, !Sum_scal, HV, H.
  assert (Y : Sum n (fun y => pi y * Q_answer s Rs Rr g V y ^ 2) + B + g ^ 2 * q * (M - V ^ 2)
    = Sum n (fun y => pi y * (s y * Rs y ^ 2 + (1 - s y) * (Rr y ^ 2 + 2 * g * Rr y * V + g ^ 2 * M)))).
  { unfold B, q, again. rewrite <- Sum_scal, <- Sum_scal_r, <- !Sum_plus. apply Sum_ext; intros y Hy. unfold Q_answer. ring. }
  rewrite <- HM in Y. lra. }
rewrite X. fold q in D, Q0, Q1. unfold turns. fold q. split; [field; split; lra|].
assert (K : 0 < (1 - g * q) ^ 2) by (apply pow_lt; lra).
apply Rmult_le_reg_r with ((1 - g * q) ^ 2); [exact K|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra.
assert (0 <= q * (1 - g) ^ 2) by (apply Rmult_le_pos; [lra | apply pow2_ge_0]). lra.
Qed.

(* B4-stationary, any number of answers and any rewards: the variances of the chain that is capped at T turns, whatever its last answer
   pays, tend to a number, the variance of the return without a cap. The energies of one table for all turns, N^2/n times the mean
   squared advantages of a turn, are this number times (1 - q)(1 - g^2 q)/(1 - g q)^2, which is at most 1. *)
Theorem energy_stationary n pi s Rs Rr g Rl : policy n pi s -> ends n pi s g -> again n pi s < 1 ->
  let V := value n pi s Rs Rr g in let q := again n pi s in
  let A := Sum n (fun y => pi y * (Q_answer s Rs Rr g V y - V) ^ 2) in
  let B := Sum n (fun y => pi y * (s y * (1 - s y) * (Rs y - (Rr y + g * V)) ^ 2)) in
  exists Var, is_lim_seq (fun T => variance_of_return n (fun _ => pi) (fun _ => s) (fun _ => Rs) (fun _ => Rr) (fun _ => Rl) g T 0) Var
  /\ (turns n pi s g) ^ 2 / (1 / (1 - q)) * (A + B) = Var * ((1 - q) * (1 - g ^ 2 * q) / (1 - g * q) ^ 2)
  /\ (1 - q) * (1 - g ^ 2 * q) / (1 - g * q) ^ 2 <= 1.
Proof.
intros P E Q1 V0 q A B. pose proof (discounted_in n pi s g P E) as D. pose proof (again_in n pi s P) as Q0. fold q in D, Q0, Q1.
assert (G : 0 <= g <= 1) by (destruct E as [?|[-> _]]; lra). assert (D2 : 0 <= g ^ 2 * q < 1) by nra.
set (x := fun T k => variance_of_return n (fun _ => pi) (fun _ => s) (fun _ => Rs) (fun _ => Rr) (fun _ => Rl) g T k).
set (C := capped n pi s Rs Rr g Rl).
assert (VC : forall T k, V n (fun _ => pi) (fun _ => s) (fun _ => Rs) (fun _ => Rr) (fun _ => Rl) g T k = C T).
{ induction T as [|T I]; intro k; rewrite bellman_capped by (intro; apply P); [reflexivity|].
  unfold C. simpl. fold C. apply Sum_ext; intros y _. unfold Q, Q_res. rewrite I. reflexivity. }
set (e := fun T => Sum n (fun y => pi y * (Q_answer s Rs Rr g (C T) y - C (S T)) ^ 2)
  + Sum n (fun y => pi y * (s y * (1 - s y) * (Rs y - (Rr y + g * C T)) ^ 2))).
assert (ST : forall T k, x (S T) k = e T + g ^ 2 * q * x T (S k)).
{ intros T k. unfold x. rewrite variance_step by (intro; apply P). fold q. f_equal. unfold e, sampling_variance, decision_variance, Q, Q_res.
  f_equal; apply Sum_ext; intros y _; rewrite !VC; reflexivity. }
assert (K : forall T k, x T k = x T 0%nat).
{ induction T as [|T I]; intro k; [reflexivity|]. rewrite (ST T k), (ST T 0%nat), (I (S k)), (I 1%nat). reflexivity. }
assert (LC : is_lim_seq C V0) by (apply capped_limit; assumption).
assert (LS : is_lim_seq (fun T => C (S T)) V0) by (apply is_lim_seq_incr_1 in LC; exact LC).
assert (LA : forall c d, is_lim_seq (fun T => c + d * C T) (c + d * V0))
  by (intros; apply is_lim_seq_plus'; [apply is_lim_seq_const | apply is_lim_seq_mult'; [apply is_lim_seq_const | exact LC]]).
assert (LE : is_lim_seq e (A + B)).
{ unfold e, A, B. apply is_lim_seq_plus'; apply (sum_limit n (fun y T => _) (fun y => _)); intros y _.
  - apply is_lim_seq_mult'; [apply is_lim_seq_const|].
    set (c := s y * Rs y + (1 - s y) * Rr y). set (d := (1 - s y) * g).
    apply is_lim_seq_ext with (fun T => (c + d * C T - C (S T)) * (c + d * C T - C (S T))); [intro; unfold Q_answer, c, d; ring|].
    replace (Finite ((Q_answer s Rs Rr g V0 y - V0) ^ 2)) with (Finite ((c + d * V0 - V0) * (c + d * V0 - V0)))
      by (f_equal; unfold Q_answer, c, d; ring). apply is_lim_seq_mult'; apply is_lim_seq_minus'; (apply LA || exact LS).
  - apply is_lim_seq_mult'; [apply is_lim_seq_const|]. apply is_lim_seq_mult'; [apply is_lim_seq_const|].
    set (c := Rs y - Rr y).
    apply is_lim_seq_ext with (fun T => (c + (- g) * C T) * (c + (- g) * C T)); [intro; unfold c; ring|].
    replace (Finite ((Rs y - (Rr y + g * V0)) ^ 2)) with (Finite ((c + (- g) * V0) * (c + (- g) * V0))) by (f_equal; unfold c; ring).
    apply is_lim_seq_mult'; apply LA. }
set (W := (A + B) / (1 - g ^ 2 * q)). exists W. split.
- apply (recursion_limit _ e (g ^ 2 * q)); [exact D2 | | exact LE]. intro T. rewrite <- (K T 1%nat). apply ST.
- assert (HM : W + V0 ^ 2 = Sum n (fun y => pi y * (s y * Rs y ^ 2 + (1 - s y) * (Rr y ^ 2 + 2 * g * Rr y * V0 + g ^ 2 * (W + V0 ^ 2))))).
  { pose proof (proj2 (bellman_unique n pi s Rs Rr g V0 P E) eq_refl) as HV. unfold bellman in HV.
    assert (Y : Sum n (fun y => pi y * (s y * Rs y ^ 2 + (1 - s y) * (Rr y ^ 2 + 2 * g * Rr y * V0 + g ^ 2 * (W + V0 ^ 2))))
      = A + B + g ^ 2 * q * W + V0 ^ 2).
    { transitivity (A + B + g ^ 2 * q * W + (2 * V0 * Sum n (fun y => pi y * Q_answer s Rs Rr g V0 y) - V0 ^ 2 * Sum n pi)).
      - unfold A, B, q, again. rewrite <- !Sum_scal, <- Sum_scal_r, <- Sum_minus, <- !Sum_plus. apply Sum_ext; intros y _. unfold Q_answer. ring.
      - rewrite <- HV, (proj1 P). ring. }
    rewrite Y. unfold W. field. lra. }
  pose proof (energy_second_moments n pi s Rs Rr g (W + V0 ^ 2) P E Q1 HM) as [X Y]. fold V0 A B q in X, Y.
  replace (W + V0 ^ 2 - V0 ^ 2) with W in X by ring. split; assumption.
Qed.

(* B4 over prompts x with weights rho: blocks of different prompts are apart, so the energy is the mean over prompts of the variances
   given the prompt, which is at most the variance over prompts and trajectories. *)
Theorem energy_prompts X rho (m M : nat -> R) : Sum X rho = 1 -> (forall x, (x < X)%nat -> 0 <= rho x) ->
  Sum X (fun x => rho x * (M x - m x ^ 2)) <= Sum X (fun x => rho x * M x) - Sum X (fun x => rho x * m x) ^ 2.
Proof.
intros H P. set (a := Sum X (fun x => rho x * m x)).
assert (0 <= Sum X (fun x => rho x * (m x - a) ^ 2)) as N.
{ apply Sum_nonneg; intros x Hx. apply Rmult_le_pos; [apply P, Hx | apply pow2_ge_0]. }
pose proof (variance X rho m H) as V. cbv zeta in V. fold a in V. rewrite V in N.
rewrite (Sum_ext X _ (fun x => rho x * M x - rho x * m x ^ 2)) by (intros; ring). rewrite Sum_minus. lra.
Qed.
