(* KL penalties: the direct term, the full gradient, estimators used as losses, fixed points, energies. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List.
From Kernel Require Import Sums Policies Chain Trajectories Gauge Energy Gibbs Imitation.
Open Scope R_scope.

(* D1: the direct term charges the log-ratios x of sampling and u of the decision with -beta w; at equal log-ratios the ratio of the
   two is (l_s/l_d)^lambda. That the weights agree exactly if lambda = 0 or l_s = l_d is weight_balanced_iff. *)
Theorem direct_ratio beta ls ld lambda x : 0 < ls -> 0 < ld -> beta <> 0 -> x <> 0 ->
  (- beta * weight ls lambda * x) / (- beta * weight ld lambda * x) = weight (ls / ld) lambda.
Proof.
intros S D B X. destruct (weight_ratio ls ld lambda S D) as [<- _]. pose proof (weight_pos ld lambda). field. lra.
Qed.

(* The penalised quantity of a trajectory: the sum of its log-ratios, weighted. Its derivative replaces log-ratios by scores. *)
Lemma rule_derive (rs rstop rres : R -> nat -> nat -> R) ls lstop lres cs cd t :
  (forall k y, is_derive (fun x => rs x k y) t (ls k y)) -> (forall k y, is_derive (fun x => rstop x k y) t (lstop k y)) ->
  (forall k y, is_derive (fun x => rres x k y) t (lres k y)) -> forall l T k h,
  is_derive (fun x => rule_sum (rs x) (rstop x) (rres x) cs cd T k h l) t (rule_sum ls lstop lres cs cd T k h l).
Proof.
intros A B C. induction l as [|[y d] l I]; intros T k h; simpl; [apply @is_derive_const|].
apply (sum_derive (fun x => cs h ((y, d) :: l) * rs x k y)); [apply is_derive_scal, A|].
destruct T as [|T]; [apply @is_derive_const|].
apply (sum_derive (fun x => cd h ((y, d) :: l) * (if d then rstop x k y else rres x k y))); [|apply I].
apply is_derive_scal. destruct d; [apply B | apply C].
Qed.

Section Full.
Variables (n : nat) (pi s : R -> nat -> nat -> R) (rs rstop rres : R -> nat -> nat -> R) (ls lstop lres : nat -> nat -> R) (t : R).
(* Log-ratios rs = ln(pi/ref) and so on: their derivatives are the scores, since references do not move. *)
Hypothesis d_rs : forall k y, is_derive (fun x => rs x k y) t (ls k y).
Hypothesis d_rstop : forall k y, is_derive (fun x => rstop x k y) t (lstop k y).
Hypothesis d_rres : forall k y, is_derive (fun x => rres x k y) t (lres k y).
Hypothesis d_pi : forall k y, (y < n)%nat -> is_derive (fun x => pi x k y) t (pi t k y * ls k y).
Hypothesis d_s : forall k y, (y < n)%nat -> is_derive (fun x => s x k y) t (s t k y * lstop k y).
Hypothesis sums : forall k, Sum n (pi t k) = 1.
Hypothesis sampling_zero : forall k, Sum n (fun y => pi t k y * ls k y) = 0.
Hypothesis decision_zero : forall k y, (y < n)%nat -> s t k y * lstop k y + (1 - s t k y) * lres k y = 0.

(* L, the weighted log-ratios with weight w y for answer y and v for decisions. *)
Definition log_ratios x (w : nat -> R) v T (l : trajectory) : R :=
  rule_sum (rs x) (rstop x) (rres x) (of_answer (fun _ => w)) (of_answer (fun _ _ => v)) T 0 nil l.

(* The gradient of -beta E[L] for any weights: the return form with -beta L, and the scores of sampling weighted by w. *)
Theorem full_gradient beta w v T :
  is_derive (fun x => - beta * Ex n (pi x) (s x) T 0 (log_ratios x w v T)) t
    (Ex n (pi t) (s t) T 0 (rule_sum ls lstop lres (return_form (fun l => - beta * log_ratios t w v T l))
        (return_form (fun l => - beta * log_ratios t w v T l)) T 0 nil)
     + - beta * Ex n (pi t) (s t) T 0 (rule_sum ls lstop lres (of_answer (fun _ => w)) none T 0 nil)).
Proof.
assert (DL : forall l, is_derive (fun x => log_ratios x w v T l) t
  (rule_sum ls lstop lres (of_answer (fun _ => w)) (of_answer (fun _ _ => v)) T 0 nil l)) by (intro l; apply rule_derive; assumption).
pose proof (policy_gradient n pi s ls lstop lres (fun x l => log_ratios x w v T l) _ t T d_pi d_s decision_zero DL 0%nat nil) as D.
pose proof (is_derive_scal _ t (- beta) _ D) as DS. clear D DL. evar_last; [exact DS|]. clear DS.
rewrite Ex_plus.
  rewrite (Ex_ext n (pi t) (s t) T 0 (rule_sum ls lstop lres (return_form _) (return_form _) T 0 nil)
    (fun l => - beta * (log_ratios t w v T (whole nil l) * rule_sum ls lstop lres one one T 0 nil l)))
    by (intro l; rewrite return_rule; ring).
  rewrite Ex_scal.
  assert (X : Ex n (pi t) (s t) T 0 (fun l => rule_sum ls lstop lres (of_answer (fun _ => w)) (of_answer (fun _ _ => v)) T 0 nil (whole nil l))
    = Ex n (pi t) (s t) T 0 (rule_sum ls lstop lres (of_answer (fun _ => w)) none T 0 nil)).
  { rewrite <- (gauge n (pi t) (s t) sums ls lstop lres sampling_zero decision_zero
      (of_answer (fun _ => w)) (of_answer (fun _ _ => v)) (fun _ => 0) (fun _ _ => v)).
    apply Ex_ext. intro l. change (whole nil l) with l. generalize (@nil (nat * bool)), 0%nat. revert T.
    induction l as [|[y d] l I]; intros [|T] h k; simpl; try reflexivity; rewrite ?I; unfold of_history, none; ring. }
  rewrite X. ring.
Qed.

(* D2: if all answers weigh the same, the full gradient is the return form of -beta L, one coefficient for both stages. *)
Theorem full_gradient_balanced beta w v T :
  is_derive (fun x => - beta * Ex n (pi x) (s x) T 0 (log_ratios x (fun _ => w) v T)) t
    (Ex n (pi t) (s t) T 0 (rule_sum ls lstop lres (return_form (fun l => - beta * log_ratios t (fun _ => w) v T l))
        (return_form (fun l => - beta * log_ratios t (fun _ => w) v T l)) T 0 nil)).
Proof.
evar_last; [apply full_gradient|].
replace (Ex n (pi t) (s t) T 0 (rule_sum ls lstop lres (of_answer (fun _ _ => w)) none T 0 nil)) with 0; [ring|].
rewrite <- (baseline_zero n (pi t) (s t) sums ls lstop lres sampling_zero decision_zero (fun _ => w) (fun _ _ => 0) T 0 nil).
apply Ex_ext. intro l. generalize (@nil (nat * bool)), 0%nat. revert T.
induction l as [|[y d] l I]; intros [|T] h k; simpl; try reflexivity; rewrite ?I; reflexivity.
Qed.

(* D2-lengths: what answers of different weight add is a sum over turns, in a table pi_j times (w_j - mean of w) per visit. *)
Theorem weighted_scores w T : forall k h,
  Ex n (pi t) (s t) T k (rule_sum ls lstop lres (of_answer (fun _ => w)) none T k h)
  = Sum (S T) (fun j => reach n (pi t) (s t) k j * Sum n (fun y => pi t (k + j)%nat y * (w y * ls (k + j)%nat y))).
Proof.
induction T as [|T I]; intros k h.
- simpl. rewrite Nat.add_0_r, Rplus_0_l, Rmult_1_l. apply Sum_ext; intros; ring.
- rewrite Sum_first. change (reach n (pi t) (s t) k 0) with 1. rewrite Nat.add_0_r.
  rewrite (Sum_ext (S T) _ (fun j => again n (pi t k) (s t k) * (reach n (pi t) (s t) (S k) j
    * Sum n (fun y => pi t (S k + j)%nat y * (w y * ls (S k + j)%nat y))))).
  2:{ intros j Hj. replace (k + S j)%nat with (S k + j)%nat by lia.
      change (reach n (pi t) (s t) k (S j)) with (again n (pi t k) (s t k) * reach n (pi t) (s t) (S k) j). ring. }
  rewrite Sum_scal. set (U := Sum (S T) _).
  change (Ex n (pi t) (s t) (S T) k (rule_sum ls lstop lres (of_answer (fun _ => w)) none (S T) k h)) with
    (Sum n (fun y => pi t k y * (s t k y * (w y * ls k y + (0 * lstop k y + 0)) + (1 - s t k y) * Ex n (pi t) (s t) T (S k)
      (fun l => w y * ls k y + (0 * lres k y + rule_sum ls lstop lres (of_answer (fun _ => w)) none T (S k) ((y, false) :: h) l))))).
  unfold again. rewrite Rmult_1_l, <- Sum_scal_r, <- Sum_plus. apply Sum_ext; intros y Hy.
  rewrite (Ex_plus n (pi t) (s t) T (S k) (fun _ => w y * ls k y) (fun l => 0 * lres k y + _)).
  rewrite (Ex_plus n (pi t) (s t) T (S k) (fun _ => 0 * lres k y)), !Ex_const, I by exact sums. fold U. ring.
Qed.
End Full.

(* D2-lengths: in a table the mean of w times the score of logit j is pi_j (w_j - mean of w), zero for all j exactly if w is constant. *)
Theorem weight_tilt n pi w j : (j < n)%nat ->
  Sum n (fun y => pi y * (w y * (delta y j - pi j))) = pi j * (w j - Sum n (fun y => pi y * w y)).
Proof.
intro Hj. rewrite <- update_advantage by exact Hj. apply Sum_ext; intros; ring.
Qed.

(* D4: one visited state, any policy with positive probabilities. k1 as a loss has the mean score, zero; k2 has the mean of
   ln(pi/ref) times the score, the derivative of KL(pi || ref); k3 that of (1 - ref/pi) times the score, of KL(ref || pi). *)
Theorem estimators n (pi : R -> nat -> R) ref ls t : (forall i, (i < n)%nat -> 0 < ref i) ->
  (forall x i, (i < n)%nat -> 0 < pi x i) -> Sum n (pi t) = 1 ->
  (forall i, (i < n)%nat -> is_derive (fun x => pi x i) t (pi t i * ls i)) -> Sum n (fun i => pi t i * ls i) = 0 ->
  is_derive (fun x => KL n (pi x) ref) t (Sum n (fun i => pi t i * (ln (pi t i / ref i) * ls i)))
  /\ is_derive (fun x => KL n ref (pi x)) t (Sum n (fun i => pi t i * ((1 - ref i / pi t i) * ls i))).
Proof.
intros Pr Pp H D Z.
assert (L : forall i, (i < n)%nat -> is_derive (fun x => ln (pi x i)) t (ls i)).
{ intros i Hi. evar_last; [apply (is_derive_comp ln (fun x => pi x i)); [apply is_derive_Reals, derivable_pt_lim_ln, Pp, Hi | apply D, Hi]|].
  unfold scal; simpl; unfold mult; simpl. pose proof (Pp t i Hi). field. lra. }
split.
- evar_last.
  + apply (Sum_derive n (fun x i => pi x i * ln (pi x i / ref i)) (fun i => pi t i * ls i * ln (pi t i / ref i) + pi t i * ls i)).
    intros i Hi. apply (product_derive (fun x => pi x i) (fun x => ln (pi x i / ref i))); [apply D, Hi|].
    apply is_derive_ext with (fun x => ln (pi x i) - ln (ref i)); [intro x; symmetry; apply ln_div; [apply Pp, Hi | apply Pr, Hi]|].
    evar_last; [apply (is_derive_minus (fun x => ln (pi x i)) (fun _ => ln (ref i))); [apply L, Hi | apply @is_derive_const]|].
    unfold minus, plus, opp, zero; simpl. ring.
  + rewrite Sum_plus, Z, Rplus_0_r. apply Sum_ext; intros; ring.
- evar_last.
  + apply (Sum_derive n (fun x i => ref i * ln (ref i / pi x i)) (fun i => ref i * (- ls i))).
    intros i Hi. apply is_derive_scal.
    apply is_derive_ext with (fun x => ln (ref i) - ln (pi x i)); [intro x; symmetry; apply ln_div; [apply Pr, Hi | apply Pp, Hi]|].
    evar_last; [apply (is_derive_minus (fun _ => ln (ref i)) (fun x => ln (pi x i))); [apply @is_derive_const | apply L, Hi]|].
    unfold minus, plus, opp, zero; simpl. ring.
  + rewrite (Sum_ext n (fun i => pi t i * ((1 - ref i / pi t i) * ls i)) (fun i => pi t i * ls i + ref i * (- ls i))).
    * rewrite Sum_plus, Z. ring.
    * intros i Hi. pose proof (Pp t i Hi). field. lra.
Qed.

(* D5: in a table the direct term's update of every logit vanishes exactly at the reference, and so does that of the forward KL. *)
Theorem reference_fixed n pi ref : Sum n pi = 1 -> Sum n ref = 1 ->
  (forall i, (i < n)%nat -> 0 < pi i) -> (forall i, (i < n)%nat -> 0 < ref i) ->
  ((forall j, (j < n)%nat -> update n pi (fun i => ln (pi i / ref i)) j = 0) <-> forall i, (i < n)%nat -> pi i = ref i)
  /\ ((forall j, (j < n)%nat -> update n pi (fun i => 1 - ref i / pi i) j = 0) <-> forall i, (i < n)%nat -> pi i = ref i).
Proof.
intros Hp Hr Pp Pr. split; split.
- intro U. set (m := KL n pi ref).
  assert (C : forall i, (i < n)%nat -> ln (pi i / ref i) = m).
  { intros i Hi. pose proof (U i Hi) as X. rewrite update_advantage in X by exact Hi. fold (KL n pi ref) in X. fold m in X.
    apply Rmult_integral in X. pose proof (Pp i Hi). destruct X; lra. }
  assert (R : forall i, (i < n)%nat -> pi i = exp m * ref i).
  { intros i Hi. rewrite <- (C i Hi), exp_ln by (apply Rdiv_lt_0_compat; [apply Pp, Hi | apply Pr, Hi]). pose proof (Pr i Hi). field. lra. }
  assert (exp m = 1) as O.
  { rewrite <- Hp. rewrite (Sum_ext n pi (fun i => exp m * ref i)) by exact R. rewrite Sum_scal, Hr. ring. }
  intros i Hi. rewrite (R i Hi), O. ring.
- intros E j Hj. rewrite update_advantage by exact Hj.
  rewrite (Sum_zero n (fun i => pi i * ln (pi i / ref i))).
  + rewrite (E j Hj). replace (ref j / ref j) with 1 by (pose proof (Pr j Hj); field; lra). rewrite ln_1. ring.
  + intros i Hi. rewrite (E i Hi). replace (ref i / ref i) with 1 by (pose proof (Pr i Hi); field; lra). rewrite ln_1. ring.
- intros U i Hi. pose proof (U i Hi) as X. rewrite update_advantage in X by exact Hi.
  rewrite (Sum_ext n (fun i => pi i * (1 - ref i / pi i)) (fun i => pi i - ref i)) in X
    by (intros k Hk; pose proof (Pp k Hk); field; lra).
  rewrite Sum_minus, Hp, Hr in X. pose proof (Pp i Hi).
  replace (pi i * (1 - ref i / pi i - (1 - 1))) with (pi i - ref i) in X by (field; lra). lra.
- intros E j Hj. rewrite update_advantage by exact Hj.
  rewrite (Sum_zero n (fun i => pi i * (1 - ref i / pi i))).
  + rewrite (E j Hj). pose proof (Pr j Hj). field. lra.
  + intros i Hi. rewrite (E i Hi). pose proof (Pr i Hi). field. lra.
Qed.

(* D3: with visits n_v at a state the direct term's energy is beta^2 w^2 n_v times the variance of the log-ratio there. *)
Theorem direct_energy n pi lr beta w visits x : (forall j, (j < n)%nat -> 0 < pi j) -> Sum n pi = 1 -> visits <> 0 ->
  let m := Sum n (fun i => pi i * lr i) in
  (forall j, (j < n)%nat -> visits * (pi j * (x j - Sum n (fun i => pi i * x i))) = visits * update n pi (fun i => - beta * w * lr i) j) ->
  Sum n (fun j => visits * update n pi (fun i => - beta * w * lr i) j * x j)
  = beta ^ 2 * w ^ 2 * visits * Sum n (fun j => pi j * (lr j - m) ^ 2).
Proof.
intros P H V m F.
assert (U : forall j, (j < n)%nat -> visits * update n pi (fun i => - beta * w * lr i) j = (- beta * w * visits) * (pi j * (lr j - m))).
{ intros j Hj. rewrite update_advantage by exact Hj.
  rewrite (Sum_ext n (fun i => pi i * (- beta * w * lr i)) (fun i => (- beta * w) * (pi i * lr i))) by (intros; ring).
  rewrite Sum_scal. fold m. ring. }
rewrite (Sum_ext n _ (fun j => (- beta * w * visits) * (pi j * (lr j - m)) * x j)) by (intros j Hj; rewrite U by exact Hj; reflexivity).
rewrite (energy_softmax n pi (fun j => lr j - m) visits (- beta * w * visits) x P H V).
- field. exact V.
- rewrite (Sum_ext n _ (fun j => pi j * lr j - m * pi j)) by (intros; ring). rewrite Sum_minus, Sum_scal, H. fold m. ring.
- intros j Hj. rewrite F by exact Hj. apply U, Hj.
Qed.
