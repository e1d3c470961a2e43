(* The optimum of one stage whose answers have temperatures of their own: one multiplier, not a softmax per temperature. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Policies Chain Gibbs Optimum.
Open Scope R_scope.

Section Lengths.
Variables (n : nat) (ref T Q : nat -> R).
Hypothesis answers : (0 < n)%nat.
Hypothesis ref_pos : forall i, (i < n)%nat -> 0 < ref i.
Hypothesis ref_sum : Sum n ref = 1.
Hypothesis T_pos : forall i, (i < n)%nat -> 0 < T i.

(* What a policy gets, and the policy of the multiplier mu. *)
Definition penalised_each (p : nat -> R) := Sum n (fun i => p i * (Q i - T i * ln (p i / ref i))).
Definition tilt_each mu i := ref i * exp ((Q i - mu) / T i - 1).

Lemma tilt_each_pos mu i : (i < n)%nat -> 0 < tilt_each mu i.
Proof. intro Hi. apply Rmult_lt_0_compat; [apply ref_pos, Hi | apply exp_pos]. Qed.

Lemma tilt_each_falls mu nu : mu < nu -> Sum n (tilt_each nu) < Sum n (tilt_each mu).
Proof.
intro L. assert (X : forall i, (i < n)%nat -> tilt_each nu i < tilt_each mu i).
{ intros i Hi. apply Rmult_lt_compat_l; [apply ref_pos, Hi|]. apply exp_increasing. unfold Rminus at 1 3. apply Rplus_lt_compat_r.
  apply Rmult_lt_compat_r; [apply Rinv_0_lt_compat, T_pos, Hi | lra]. }
apply (Sum_lt_one n _ _ 0 answers); [apply X, answers | intros i Hi; apply Rlt_le, X, Hi].
Qed.

(* E1-lengths: there is exactly one mu for which the probabilities ref exp((Q - mu)/T - 1) sum to 1. *)
Theorem multiplier_unique : exists mu, Sum n (tilt_each mu) = 1 /\ forall nu, Sum n (tilt_each nu) = 1 -> nu = mu.
Proof.
set (f := fun mu => Sum n (tilt_each mu) - 1).
assert (HI : exists hi, forall i, (i < n)%nat -> Q i - T i <= hi).
{ clear. induction n as [|m [V I]]; [exists 0; intros; lia|]. exists (Rmax V (Q m - T m)). intros y Hy.
  destruct (Nat.eq_dec y m) as [->|N]; [apply Rmax_r|]. apply Rle_trans with V; [apply I; lia | apply Rmax_l]. }
destruct HI as [hi HI]. set (lo := Q 0%nat + T 0%nat * (ln (ref 0%nat) - 1)).
assert (FH : f hi <= 0).
{ unfold f. assert (Sum n (tilt_each hi) <= Sum n ref); [|lra]. apply Sum_le. intros i Hi. unfold tilt_each. pose proof (ref_pos i Hi).
  assert (exp ((Q i - hi) / T i - 1) <= exp 0); [|rewrite exp_0 in *; nra].
  assert (I : (Q i - hi) / T i - 1 <= 0).
  { pose proof (HI i Hi). pose proof (T_pos i Hi). apply Rmult_le_reg_r with (T i); [lra|]. field_simplify; lra. }
  destruct I as [I | ->]; [apply Rlt_le, exp_increasing, I | lra]. }
assert (FL : 0 <= f lo).
{ unfold f. assert (tilt_each lo 0 = 1).
  { unfold tilt_each, lo. pose proof (T_pos 0%nat answers). pose proof (ref_pos 0%nat answers).
    replace ((Q 0%nat - (Q 0%nat + T 0%nat * (ln (ref 0%nat) - 1))) / T 0%nat - 1) with (- ln (ref 0%nat)) by (field; lra).
    rewrite exp_Ropp, exp_ln by assumption. field. lra. }
  assert (tilt_each lo 0 <= Sum n (tilt_each lo)); [|lra]. rewrite <- (Sum_delta n (tilt_each lo) 0 answers). apply Sum_le. intros i Hi.
  pose proof (tilt_each_pos lo i Hi). unfold delta. destruct (Nat.eq_dec i 0); lra. }
assert (LH : lo <= hi).
{ apply Rnot_lt_le. intro L. pose proof (tilt_each_falls hi lo L). unfold f in *. lra. }
assert (C : continuity f).
{ intro x. apply derivable_continuous_pt. eexists. apply is_derive_Reals.
  apply (is_derive_minus (fun mu => Sum n (tilt_each mu)) (fun _ => 1)); [|apply @is_derive_const].
  apply (Sum_derive n tilt_each (fun i => ref i * (- / T i * exp ((Q i - x) / T i - 1)))). intros i Hi. apply is_derive_scal.
  pose proof (T_pos i Hi). auto_derive; [trivial|]. unfold Rdiv, Rminus. ring. }
destruct (IVT_cor f lo hi C LH ltac:(nra)) as [mu [_ Z]]. exists mu. unfold f in Z. split; [lra|]. intros nu H.
destruct (Rtotal_order nu mu) as [L|[E|L]]; [|exact E|]; pose proof (tilt_each_falls _ _ L); lra.
Qed.

(* With it they are the only optimum among all policies, and mu + sum T o is the maximum. *)
Theorem lengths_optimum mu p : Sum n (tilt_each mu) = 1 -> Sum n p = 1 -> (forall i, (i < n)%nat -> 0 <= p i) ->
  penalised_each p <= mu + Sum n (fun i => T i * tilt_each mu i)
  /\ (penalised_each p = mu + Sum n (fun i => T i * tilt_each mu i) <-> forall i, (i < n)%nat -> p i = tilt_each mu i).
Proof.
intros O H P. set (loss := fun i => T i * (tilt_each mu i - p i + p i * ln (p i / tilt_each mu i))).
assert (E : penalised_each p = mu + Sum n (fun i => T i * tilt_each mu i) - Sum n loss).
{ transitivity (Sum n (fun i => mu * p i) + Sum n (fun i => T i * tilt_each mu i) - Sum n loss); [|rewrite Sum_scal, H; ring].
  rewrite <- Sum_plus, <- Sum_minus. apply Sum_ext. intros i Hi. unfold loss.
  destruct (Rle_lt_or_eq_dec 0 (p i) (P i Hi)) as [L|<-]; [|ring]. pose proof (ref_pos i Hi). pose proof (T_pos i Hi).
  rewrite !ln_div by (assumption || apply tilt_each_pos, Hi). unfold tilt_each at 3. rewrite ln_mult, ln_exp by (assumption || apply exp_pos).
  field. lra. }
assert (N : forall i, (i < n)%nat -> 0 <= loss i /\ (loss i = 0 -> p i = tilt_each mu i)).
{ intros i Hi. destruct (entropy_term (p i) (tilt_each mu i) (P i Hi) (tilt_each_pos mu i Hi)) as [A B]. pose proof (T_pos i Hi). unfold loss.
  split; [apply Rmult_le_pos; lra|]. intro Z. apply Rmult_integral in Z. destruct Z as [Z|Z]; [lra | apply B, Z]. }
pose proof (Sum_nonneg n loss (fun i Hi => proj1 (N i Hi))) as S. split; [lra|]. split.
- intros Z i Hi. apply (N i Hi). apply (Sum_zero_each n loss (fun i Hi => proj1 (N i Hi)) ltac:(lra) i Hi).
- intro Z. rewrite E. rewrite (Sum_zero n loss); [ring|]. intros i Hi. unfold loss. rewrite (Z i Hi). pose proof (tilt_each_pos mu i Hi).
  replace (tilt_each mu i / tilt_each mu i) with 1 by (field; lra). rewrite ln_1. ring.
Qed.

(* The slope of the penalised mean in the logit of answer j: probability times advantage of Q - T (log(pi/ref) + 1). *)
Lemma lengths_slope z j : (j < n)%nat -> let p := softmax n z in let f i := Q i - T i * ln (p i / ref i) - T i in
  is_derive (fun x => penalised_each (softmax n (upd z j x))) (z j) (p j * (f j - Sum n (fun i => p i * f i))).
Proof.
intros Hj p f. evar_last.
- apply (Sum_derive n (fun x i => softmax n (upd z j x) i * (Q i - T i * ln (softmax n (upd z j x) i / ref i)))
    (fun i => p i * (delta i j - p j) * f i)).
  intros i Hi. assert (E : softmax n (upd z j (z j)) i = p i) by (apply softmax_ext; [intros; apply upd_self | exact Hi]).
  pose proof (softmax_table_derive n answers z i j Hi Hj) as D. fold p in D. pose proof (softmax_pos n answers z i) as Pp. fold (p i) in Pp.
  evar_last.
  + apply (product_derive (fun x => softmax n (upd z j x) i)); [exact D|].
    apply is_derive_ext with (fun x => Q i + T i * ln (ref i) - T i * ln (softmax n (upd z j x) i)).
    * intro x. match goal with |- ?a = ?b => change (@eq R a b) end. rewrite ln_div; [ring | apply softmax_pos, answers | apply ref_pos, Hi].
    * apply (is_derive_minus (fun _ => Q i + T i * ln (ref i))); [apply @is_derive_const|]. apply is_derive_scal.
      apply (is_derive_comp ln (fun x => softmax n (upd z j x) i)); [apply is_derive_Reals, derivable_pt_lim_ln, softmax_pos, answers | exact D].
  + rewrite E. unfold minus, plus, opp, zero, scal; simpl; unfold mult; simpl. unfold f. rewrite ?E. field. lra.
- rewrite (Sum_ext n _ (fun i => p i * f i * delta i j - p j * (p i * f i))) by (intros; ring).
  rewrite Sum_minus, Sum_scal, (Sum_delta n (fun i => p i * f i)) by exact Hj. ring.
Qed.

(* The softmax with each answer's own temperature is stationary only if all temperatures agree or its normaliser happens to be e. *)
Theorem own_softmax z : (forall i, (i < n)%nat -> z i = ln (ref i) + Q i / T i) -> let Z0 := Sum n (fun i => ref i * exp (Q i / T i)) in
  (forall j, (j < n)%nat -> softmax n z j = ref j * exp (Q j / T j) / Z0)
  /\ ((forall j, (j < n)%nat -> is_derive (fun x => penalised_each (softmax n (upd z j x))) (z j) 0)
      <-> (forall i j, (i < n)%nat -> (j < n)%nat -> T i = T j) \/ Z0 = exp 1).
Proof.
intros HZ Z0. assert (EZ : forall i, (i < n)%nat -> exp (z i) = ref i * exp (Q i / T i)).
{ intros i Hi. rewrite HZ, exp_plus, exp_ln by (exact Hi || apply ref_pos, Hi). reflexivity. }
assert (PZ : forall j, (j < n)%nat -> softmax n z j = ref j * exp (Q j / T j) / Z0).
{ intros j Hj. unfold softmax, Z, Z0. rewrite EZ by exact Hj. f_equal. apply Sum_ext, EZ. }
split; [exact PZ|]. assert (P0 : 0 < Z0).
{ apply Sum_pos; [exact answers|]. intros i Hi. apply Rmult_lt_0_compat; [apply ref_pos, Hi | apply exp_pos]. }
set (p := softmax n z) in *. set (f := fun i => Q i - T i * ln (p i / ref i) - T i).
assert (F : forall i, (i < n)%nat -> f i = T i * (ln Z0 - 1)).
{ intros i Hi. unfold f. rewrite PZ by exact Hi. pose proof (ref_pos i Hi). pose proof (T_pos i Hi). pose proof (exp_pos (Q i / T i)).
  replace (ref i * exp (Q i / T i) / Z0 / ref i) with (exp (Q i / T i) / Z0) by (field; lra). rewrite ln_div, ln_exp by assumption. field. lra. }
assert (S : forall j, (j < n)%nat ->
  (is_derive (fun x => penalised_each (softmax n (upd z j x))) (z j) 0 <-> f j = Sum n (fun i => p i * f i))).
{ intros j Hj. pose proof (lengths_slope z j Hj
    : is_derive (fun x => penalised_each (softmax n (upd z j x))) (z j) (p j * (f j - Sum n (fun i => p i * f i)))) as D. pose proof (softmax_pos n answers z j) as Pp. fold (p j) in Pp.
  split; intro H.
  - pose proof (is_derive_unique _ _ _ H) as U. rewrite (is_derive_unique _ _ _ D) in U. apply Rmult_integral in U.
    destruct U as [U|U]; lra.
  - evar_last; [exact D|]. rewrite H. ring. }
assert (LE : ln Z0 - 1 = 0 <-> Z0 = exp 1).
{ split; intro H; [rewrite <- (exp_ln Z0 P0); f_equal; lra | rewrite H, ln_exp; ring]. }
split.
- intro H. destruct (Req_dec (ln Z0 - 1) 0) as [E|E]; [right; apply LE, E|left]. intros i j Hi Hj.
  pose proof (proj1 (S i Hi) (H i Hi)) as A. pose proof (proj1 (S j Hj) (H j Hj)) as B. rewrite <- B in A. rewrite !F in A by assumption.
  apply Rmult_eq_reg_r with (ln Z0 - 1); assumption.
- intros H j Hj. apply S; [exact Hj|]. assert (C : forall i, (i < n)%nat -> f i = f j).
  { intros i Hi. rewrite !F by assumption. destruct H as [H|H]; [rewrite (H i j Hi Hj); reflexivity | apply LE in H; rewrite H; ring]. }
  rewrite (Sum_ext n _ (fun i => p i * f j)) by (intros i Hi; rewrite (C i Hi); reflexivity). rewrite Sum_scal_r.
  unfold p. rewrite softmax_sum by exact answers. ring.
Qed.

(* Without reward the optimum is the reference only if all temperatures agree. *)
Theorem reference_not_optimal mu : (forall i, (i < n)%nat -> Q i = 0) -> (forall i, (i < n)%nat -> tilt_each mu i = ref i) ->
  forall i j, (i < n)%nat -> (j < n)%nat -> T i = T j.
Proof.
intros HQ H. assert (X : forall i, (i < n)%nat -> T i = - mu).
{ intros i Hi. pose proof (H i Hi) as E. unfold tilt_each in E. rewrite HQ in E by exact Hi. pose proof (ref_pos i Hi). pose proof (T_pos i Hi).
  assert (E1 : exp ((0 - mu) / T i - 1) = exp 0) by (rewrite exp_0; apply Rmult_eq_reg_l with (ref i); lra). apply exp_inv in E1.
  assert ((0 - mu) / T i * T i = 0 - mu) by (field; lra). replace ((0 - mu) / T i) with 1 in * by lra. lra. }
intros i j Hi Hj. rewrite (X i Hi), (X j Hj). reflexivity.
Qed.
End Lengths.

(* E1-endless: weights that differ within a prompt can leave no optimum, without any bonus: with temperatures 100 and 1 of the answers and
   fair coins as reference, stationary policies that end earn more than any M. *)
Theorem endless_weights M : exists s J, 0 < s < 1
  /\ J = penalised_each 2 (fun _ => 1 / 2) (two 100 1)
           (fun _ => penalised 2 (two (1 / 2) (1 - 1 / 2)) 1 (two 0 (0 + 1 * J)) (two s (1 - s))) (two (1 / 4) (3 / 4))
  /\ M < J.
Proof.
set (c := 25 * ln 2 - 3 / 4 * ln (3 / 2)). assert (C : 12 < c).
{ unfold c. pose proof ln_lt_2. pose proof (ln_below (3 / 2) ltac:(lra)). lra. }
set (s := / (2 + Rabs M)). assert (A := Rabs_pos M). assert (S : 0 < s < 1).
{ split; [apply Rinv_0_lt_compat; lra|]. unfold s. rewrite <- Rinv_1. apply Rinv_lt_contravar; lra. }
set (k := s * ln (s / (1 / 2)) + (1 - s) * ln ((1 - s) / (1 / 2))). assert (K : k <= 1).
{ unfold k. pose proof (ln_below (s / (1 / 2)) ltac:(apply Rdiv_lt_0_compat; lra)). pose proof (ln_below ((1 - s) / (1 / 2)) ltac:(apply Rdiv_lt_0_compat; lra)).
  assert (s / (1 / 2) = 2 * s) by field. assert ((1 - s) / (1 / 2) = 2 - 2 * s) by field. nra. }
exists s, ((c - k) / s). split; [exact S|]. split.
- unfold penalised_each, penalised; simpl. replace (1 - 1 / 2) with (1 / 2) by field. set (J := (c - k) / s).
  assert (JS : J * s = c - k) by (unfold J; field; lra).
  replace (1 / 4 / (1 / 2)) with (/ 2) by field. replace (3 / 4 / (1 / 2)) with (3 / 2) by field. rewrite ln_Rinv by lra.
  transitivity (J - J * s + (c - k)); [rewrite JS; ring|]. unfold c, k. field.
- assert (SM : s * (2 + Rabs M) = 1) by (unfold s; field; lra). assert (JS : (c - k) / s * s = c - k) by (field; lra).
  set (J := (c - k) / s) in *. clearbody J. pose proof (Rle_abs M). apply Rnot_le_lt. intro L. assert (J * s <= Rabs M * s) by nra. nra.
Qed.
