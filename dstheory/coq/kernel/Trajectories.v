(* Expectations over trajectories of a chain that is capped at any number of turns, with a policy of its own at every turn and any
   function of the trajectory as return. The policy gradient theorem, baselines, and what coefficients say and do not say.
   A trajectory is the list of its turns (answer, did it stop); pi k y and s k y are the probabilities at turn k. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List.
From Kernel Require Import Sums.
Open Scope R_scope.

Definition trajectory := list (nat * bool).

(* The mean of F over trajectories from turn k on, with T decisions before the last answer is submitted (a cap at T + 1 turns). *)
Fixpoint Ex n (pi s : nat -> nat -> R) (T k : nat) (F : trajectory -> R) : R :=
  match T with
  | O => Sum n (fun y => pi k y * F ((y, true) :: nil))
  | S T => Sum n (fun y => pi k y *
      (s k y * F ((y, true) :: nil) + (1 - s k y) * Ex n pi s T (S k) (fun l => F ((y, false) :: l))))
  end.

(* A coefficient rule: what multiplies the sampling score and the decision score of a turn. It may depend on the turns before (h,
   the latest first) and on the turn itself and all that follow (l): on the whole trajectory. At the cap no decision is drawn. *)
Definition coefficient := trajectory -> trajectory -> R.
Fixpoint rule_sum (ls lstop lres : nat -> nat -> R) (cs cd : coefficient) (T k : nat) (h l : trajectory) {struct l} : R :=
  match l with
  | nil => 0
  | (y, d) :: rest => cs h l * ls k y +
      match T with
      | O => 0
      | S T => cd h l * (if d then lstop k y else lres k y) + rule_sum ls lstop lres cs cd T (S k) ((y, d) :: h) rest
      end
  end.

(* The whole trajectory, from its two halves. *)
Definition whole (h l : trajectory) : trajectory := rev_append h l.
(* Rules: the return F for both stages; a baseline of the history, and of the history and the answer. *)
Definition return_form (F : trajectory -> R) : coefficient := fun h l => F (whole h l).
Definition of_history (b : trajectory -> R) : coefficient := fun h _ => b h.
Definition of_answer (b : trajectory -> nat -> R) : coefficient := fun h l => match l with nil => 0 | (y, _) :: _ => b h y end.
Definition one : coefficient := fun _ _ => 1.
Definition none : coefficient := fun _ _ => 0.

(* Balanced at coefficient level: both stages of every turn of every trajectory have the same coefficient. *)
Definition balanced (cs cd : coefficient) := forall h l, cs h l = cd h l.

Section Expectation.
Variables (n : nat) (pi s : nat -> nat -> R).
Notation E := (Ex n pi s).

Lemma Ex_ext T : forall k F G, (forall l, F l = G l) -> E T k F = E T k G.
Proof.
induction T as [|T I]; intros k F G H; simpl; apply Sum_ext; intros y _; rewrite ?H; [reflexivity|].
rewrite (I (S k) _ (fun l => G ((y, false) :: l))) by (intro; apply H). reflexivity.
Qed.

Lemma Ex_plus T : forall k F G, E T k (fun l => F l + G l) = E T k F + E T k G.
Proof.
induction T as [|T I]; intros k F G; simpl; rewrite <- Sum_plus; apply Sum_ext; intros y _; [ring|].
rewrite (I (S k) (fun l => F ((y, false) :: l)) (fun l => G ((y, false) :: l))). ring.
Qed.

Lemma Ex_scal T : forall k c F, E T k (fun l => c * F l) = c * E T k F.
Proof.
induction T as [|T I]; intros k c F; simpl; rewrite <- Sum_scal; apply Sum_ext; intros y _; [ring|].
rewrite (I (S k) c (fun l => F ((y, false) :: l))). ring.
Qed.

Hypothesis sums : forall k, Sum n (pi k) = 1.

Lemma Ex_const T : forall k c, E T k (fun _ => c) = c.
Proof.
induction T as [|T I]; intros k c; simpl.
- rewrite Sum_scal_r, sums. ring.
- rewrite (Sum_ext n _ (fun y => pi k y * c)) by (intros; rewrite I; ring). rewrite Sum_scal_r, sums. ring.
Qed.

Hypothesis positive : forall k y, (y < n)%nat -> 0 <= pi k y.
Hypothesis within : forall k y, (y < n)%nat -> 0 <= s k y <= 1.

Lemma Ex_nonneg T : forall k F, (forall l, 0 <= F l) -> 0 <= E T k F.
Proof.
induction T as [|T I]; intros k F H; simpl; apply Sum_nonneg; intros y Hy; (apply Rmult_le_pos; [apply positive, Hy|]); [apply H|].
pose proof (within k y Hy). apply Rplus_le_le_0_compat; apply Rmult_le_pos; [lra | apply H | lra | apply I; intro; apply H].
Qed.

Section Scores.
(* Scores of answers, of stopping and of resampling: derivatives of log-probabilities; their means are zero. *)
Variables ls lstop lres : nat -> nat -> R.
Hypothesis sampling_zero : forall k, Sum n (fun y => pi k y * ls k y) = 0.
Hypothesis decision_zero : forall k y, (y < n)%nat -> s k y * lstop k y + (1 - s k y) * lres k y = 0.
Notation rule := (rule_sum ls lstop lres).

Lemma rule_minus cs cd bs bd : forall l T k h,
  rule (fun h l => cs h l - bs h l) (fun h l => cd h l - bd h l) T k h l = rule cs cd T k h l - rule bs bd T k h l.
Proof.
induction l as [|[y d] l I]; intros [|T] k h; simpl; try ring. rewrite I. ring.
Qed.

(* B3: baselines. A function of the history at the sampling stage, and of the history and the answer at the decision stage, adds
   nothing to the expected update, with any policy and any cap. *)
Theorem baseline_zero bs bd T : forall k h, E T k (rule (of_history bs) (of_answer bd) T k h) = 0.
Proof.
induction T as [|T I]; intros k h; simpl.
- rewrite (Sum_ext n _ (fun y => bs h * (pi k y * ls k y))) by (intros; unfold of_history; ring).
  rewrite Sum_scal, sampling_zero. ring.
- rewrite (Sum_ext n _ (fun y => bs h * (pi k y * ls k y))).
  + rewrite Sum_scal, sampling_zero. ring.
  + intros y Hy. unfold of_history at 1, of_answer at 1.
    rewrite (Ex_ext T (S k) _ (fun l => (bs h * ls k y + bd h y * lres k y)
      + rule (of_history bs) (of_answer bd) T (S k) ((y, false) :: h) l))
      by (intro; unfold of_history at 1, of_answer at 1; ring).
    rewrite Ex_plus, Ex_const, I.
    replace (pi k y * (s k y * (bs h * ls k y + (bd h y * lstop k y + 0)) + (1 - s k y) * (bs h * ls k y + bd h y * lres k y + 0)))
      with (bs h * (pi k y * ls k y) + pi k y * bd h y * (s k y * lstop k y + (1 - s k y) * lres k y)) by ring.
    rewrite decision_zero by exact Hy. ring.
Qed.

(* B3: hence two rules that differ by baselines have the same expected update. *)
Theorem gauge cs cd bs bd T k h :
  E T k (rule (fun h l => cs h l - of_history bs h l) (fun h l => cd h l - of_answer bd h l) T k h) = E T k (rule cs cd T k h).
Proof.
rewrite (Ex_ext T k _ (fun l => rule cs cd T k h l + (-1) * rule (of_history bs) (of_answer bd) T k h l))
  by (intro l; rewrite rule_minus; ring).
rewrite Ex_plus, Ex_scal, baseline_zero. ring.
Qed.

(* B1: the return form has the return times the score, the same coefficient at both stages, *)
Lemma return_rule F : forall l T k h,
  rule (return_form F) (return_form F) T k h l = F (whole h l) * rule one one T k h l.
Proof.
induction l as [|[y d] l I]; intros [|T] k h; simpl; rewrite ?I; try change (whole ((y, d) :: h) l) with (whole h ((y, d) :: l));
  unfold return_form, one; ring.
Qed.

Theorem return_balanced F : balanced (return_form F) (return_form F).
Proof. intros h l; reflexivity. Qed.

(* B1: and what is left of a return from a turn on (past rewards are a baseline), given to both stages, has the same expected update:
   reward-to-go with its outer discount is balanced, too. *)
Theorem reward_to_go F past (togo : coefficient) T k h :
  (forall h l, F (whole h l) = past h + togo h l) ->
  E T k (rule togo togo T k h) = E T k (rule (return_form F) (return_form F) T k h).
Proof.
intro H. rewrite <- (gauge (return_form F) (return_form F) past (fun h _ => past h)).
apply Ex_ext. intro l. revert T k h.
induction l as [|[y d] l I]; intros [|T] k h; simpl; try reflexivity; rewrite ?I;
  unfold return_form, of_history, of_answer; rewrite H; ring.
Qed.

(* A1: the stages' scores have mean zero, *)
Theorem scores_mean_zero T k h : E T k (rule one none T k h) = 0 /\ E T k (rule none one T k h) = 0.
Proof.
split.
- rewrite <- (baseline_zero (fun _ => 1) (fun _ _ => 0) T k h). apply Ex_ext. intro l. revert T k h.
  induction l as [|[y d] l I]; intros [|T] k h; simpl; try reflexivity. rewrite I. reflexivity.
- rewrite <- (baseline_zero (fun _ => 0) (fun _ _ => 1) T k h). apply Ex_ext. intro l. revert T k h.
  induction l as [|[y d] l I]; intros [|T] k h; simpl; try reflexivity. rewrite I. reflexivity.
Qed.

(* B8: a coefficient u1 for right and u0 for wrong trajectories, whatever they are (a baseline, a group's mean and standard
   deviation, a filter), updates by u1 - u0 times the update of reward 0/1: on one prompt all of them go the same way. *)
Theorem surrogate_invariance F u0 u1 T k h : (forall l, F l = 0 \/ F l = 1) ->
  E T k (rule (fun h l => if Req_EM_T (F (whole h l)) 1 then u1 else u0)
              (fun h l => if Req_EM_T (F (whole h l)) 1 then u1 else u0) T k h)
  = (u1 - u0) * E T k (rule (return_form F) (return_form F) T k h).
Proof.
intro H.
assert (C : forall h l, (if Req_EM_T (F (whole h l)) 1 then u1 else u0) = u0 + (u1 - u0) * F (whole h l)).
{ intros g l. destruct (Req_EM_T (F (whole g l)) 1) as [->|N]; [ring|]. destruct (H (whole g l)) as [->|]; [ring|contradiction]. }
rewrite <- Ex_scal.
rewrite (Ex_ext T k _ (fun l => (u1 - u0) * rule (return_form F) (return_form F) T k h l
  + u0 * (rule one none T k h l + rule none one T k h l))).
- rewrite Ex_plus, Ex_scal, (Ex_scal T k u0), Ex_plus. destruct (scores_mean_zero T k h) as [-> ->]. rewrite <- Ex_scal. ring.
- intro l. revert T k h. induction l as [|[y d] l I]; intros [|T] k h; simpl; rewrite ?I, ?C; unfold return_form, one, none; ring.
Qed.

(* B9, stage by stage: P = mean of the 0/1 return F; what a stage's score S has in common with it is P (1 - P) times the difference of
   its means over right and over wrong trajectories. *)
Theorem gradient_gap F (sc : trajectory -> R) T k :
  let P := E T k F in 0 < P < 1 -> E T k sc = 0 ->
  E T k (fun l => F l * sc l) = P * (1 - P) * (E T k (fun l => F l * sc l) / P - E T k (fun l => (1 - F l) * sc l) / (1 - P)).
Proof.
intros P HP Z.
rewrite (Ex_ext T k (fun l => (1 - F l) * sc l) (fun l => sc l + (-1) * (F l * sc l))) by (intro; ring).
rewrite Ex_plus, Ex_scal, Z. field. lra.
Qed.
End Scores.

(* A1: the sampling score in one direction and the decision score in any direction are uncorrelated: Fisher information is block
   diagonal, with any number of answers and turns. *)
Theorem scores_uncorrelated ls lstop lres T :
  (forall k, Sum n (fun y => pi k y * ls k y) = 0) ->
  (forall k y, (y < n)%nat -> s k y * lstop k y + (1 - s k y) * lres k y = 0) ->
  forall k h, E T k (fun l => rule_sum ls lstop lres one none T k h l * rule_sum ls lstop lres none one T k h l) = 0.
Proof.
intros Zs Zd. induction T as [|T I]; intros k h; simpl.
- apply Sum_zero. intros y _. unfold one, none. ring.
- apply Sum_zero. intros y Hy. unfold one at 1, none at 1, one at 2, none at 2.
  set (A := rule_sum ls lstop lres one none T (S k) ((y, false) :: h)).
  set (B := rule_sum ls lstop lres none one T (S k) ((y, false) :: h)).
  rewrite (Ex_ext T (S k) _ (fun l => (ls k y * lres k y + ls k y * B l) + (lres k y * A l + A l * B l))).
  + rewrite !Ex_plus, !Ex_scal, Ex_const. unfold A, B.
    destruct (scores_mean_zero ls lstop lres Zs Zd T (S k) ((y, false) :: h)) as [-> ->]. rewrite I.
    transitivity (pi k y * ls k y * (s k y * lstop k y + (1 - s k y) * lres k y)); [unfold one, none; ring|].
    rewrite Zd by exact Hy. ring.
  + intro l. unfold A, B, one, none. ring.
Qed.

(* B4-bound: for any policy class and any direction, the squared derivative of a mean return is at most the squared score's mean times
   the variance of the return: no energy of a return exceeds its variance. *)
Theorem energy_bound F (sc : trajectory -> R) T k : E T k sc = 0 ->
  E T k (fun l => F l * sc l) ^ 2 <= E T k (fun l => sc l ^ 2) * (E T k (fun l => F l ^ 2) - E T k F ^ 2).
Proof.
intro Z. set (m := E T k F). set (g := E T k (fun l => F l * sc l)). set (f := E T k (fun l => sc l ^ 2)).
assert (V : E T k (fun l => (F l - m) ^ 2) = E T k (fun l => F l ^ 2) - m ^ 2).
{ rewrite (Ex_ext T k _ (fun l => F l ^ 2 + ((-2 * m) * F l + m ^ 2))) by (intro; ring).
  rewrite Ex_plus, Ex_plus, Ex_scal, Ex_const. fold m. ring. }
rewrite <- V. set (v := E T k (fun l => (F l - m) ^ 2)).
assert (Q : forall x, 0 <= v + (2 * x) * g + x ^ 2 * f).
{ intro x. replace (v + 2 * x * g + x ^ 2 * f) with (E T k (fun l => ((F l - m) + x * sc l) ^ 2)).
  - apply Ex_nonneg. intro l. apply pow2_ge_0.
  - rewrite (Ex_ext T k _ (fun l => (F l - m) ^ 2 + ((2 * x) * (F l * sc l) + ((-2 * m * x) * sc l + x ^ 2 * sc l ^ 2)))) by (intro; ring).
    rewrite !Ex_plus, !Ex_scal, Z. fold v g f. ring. }
assert (P : 0 <= f) by (apply Ex_nonneg; intro; apply pow2_ge_0).
assert (W : 0 <= v) by (apply Ex_nonneg; intro; apply pow2_ge_0).
clearbody m g f v. destruct (Rle_lt_or_eq_dec 0 f P) as [L|<-].
- pose proof (Q (- g / f)) as H. replace (v + 2 * (- g / f) * g + (- g / f) ^ 2 * f) with (v - g ^ 2 / f) in H by (field; lra).
  assert (g ^ 2 / f * f = g ^ 2) by (field; lra). nra.
- destruct (Req_dec g 0) as [->|N]; [lra|]. pose proof (Q (- (v + 1) / (2 * g))) as H.
  replace (v + 2 * (- (v + 1) / (2 * g)) * g + (- (v + 1) / (2 * g)) ^ 2 * 0) with (-1) in H by (field; exact N). lra.
Qed.

(* B4-bound: the variance of a 0/1 return is P (1 - P), at most 1/4, however many answers and turns. *)
Theorem binary_variance F T k : (forall l, F l = 0 \/ F l = 1) ->
  let P := E T k F in E T k (fun l => F l ^ 2) - P ^ 2 = P * (1 - P) /\ P * (1 - P) <= 1 / 4.
Proof.
intros H P. rewrite (Ex_ext T k (fun l => F l ^ 2) F) by (intro l; destruct (H l) as [-> | ->]; ring). fold P. split; [ring|].
pose proof (pow2_ge_0 (P - 1 / 2)). lra.
Qed.
End Expectation.

(* The policy gradient theorem, for any differentiable policy of every turn and any differentiable function of the trajectory: the
   derivative of its mean is the mean of F times the score, and of F's own derivative. With F' = 0 it is the return form. *)
Theorem policy_gradient n (pi s : R -> nat -> nat -> R) ls lstop lres (F : R -> trajectory -> R) (F' : trajectory -> R) t T :
  (forall k y, (y < n)%nat -> is_derive (fun x => pi x k y) t (pi t k y * ls k y)) ->
  (forall k y, (y < n)%nat -> is_derive (fun x => s x k y) t (s t k y * lstop k y)) ->
  (forall k y, (y < n)%nat -> s t k y * lstop k y + (1 - s t k y) * lres k y = 0) ->
  (forall l, is_derive (fun x => F x l) t (F' l)) ->
  forall k h,
  is_derive (fun x => Ex n (pi x) (s x) T k (fun l => F x (whole h l))) t
    (Ex n (pi t) (s t) T k (fun l => F t (whole h l) * rule_sum ls lstop lres one one T k h l + F' (whole h l))).
Proof.
intros Dp Ds Z DF. induction T as [|T I]; intros k h; simpl.
- apply Sum_derive. intros y Hy. evar_last.
  + apply (product_derive (fun x => pi x k y) (fun x => F x (whole h ((y, true) :: nil)))); [apply Dp, Hy | apply DF].
  + unfold one. simpl. ring.
- apply Sum_derive. intros y Hy.
  set (A x := F x (whole h ((y, true) :: nil))).
  set (B x := Ex n (pi x) (s x) T (S k) (fun l => F x (whole h ((y, false) :: l)))).
  set (B' := Ex n (pi t) (s t) T (S k)
    (fun l => F t (whole ((y, false) :: h) l) * rule_sum ls lstop lres one one T (S k) ((y, false) :: h) l + F' (whole ((y, false) :: h) l))).
  assert (DB : is_derive B t B') by apply (I (S k) ((y, false) :: h)).
  assert (DA : is_derive A t (F' (whole h ((y, true) :: nil)))) by apply DF.
  evar_last.
  + apply (product_derive (fun x => pi x k y) (fun x => s x k y * A x + (1 - s x k y) * B x)); [apply Dp, Hy|].
    apply (sum_derive (fun x => s x k y * A x) (fun x => (1 - s x k y) * B x)).
    * apply (product_derive (fun x => s x k y) A); [apply Ds, Hy | exact DA].
    * apply (product_derive (fun x => 1 - s x k y) B); [apply complement_derive, Ds, Hy | exact DB].
  + rewrite (Ex_ext n (pi t) (s t) T (S k) (fun l => _ * _ + _) (fun l => (ls k y + lres k y) * F t (whole h ((y, false) :: l))
      + (F t (whole ((y, false) :: h) l) * rule_sum ls lstop lres one one T (S k) ((y, false) :: h) l + F' (whole ((y, false) :: h) l)))).
    * rewrite Ex_plus, Ex_scal. fold B'. fold (B t). unfold A, one.
      pose proof (Z k y Hy). assert (X : - (s t k y * lstop k y) = (1 - s t k y) * lres k y) by lra.
      rewrite X. ring.
    * intro l. unfold one at 1 2; change (whole ((y, false) :: h) l) with (whole h ((y, false) :: l)). ring.
Qed.
