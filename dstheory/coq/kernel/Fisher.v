(* The energy law as one theorem: gradients are derivatives, Fisher information is the mean product of scores, and the energy g^T F^+ g of
   a stage is x^T F x for any x with F x = gradient; any number of prompts, answers and turns. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List.
From Kernel Require Import Sums Policies Trajectories Chain Energy.
Open Scope R_scope.

Section Directions.
Variables (n : nat) (pi s : nat -> nat -> R).
Hypothesis sums : forall k, Sum n (pi k) = 1.

(* Scores in a direction: a k y moves the sampling logit, d k y the stop logit of answer y at turn k. *)
Definition ls (a : nat -> nat -> R) k y := score n (a k) (pi k) y.
Definition lstop (d : nat -> nat -> R) k y := d k y * (1 - s k y).
Definition lres (d : nat -> nat -> R) k y := - (d k y * s k y).
Definition scores a d := rule_sum (ls a) (lstop d) (lres d) one one.

Lemma ls_zero a k : Sum n (fun y => pi k y * ls a k y) = 0.
Proof. apply score_mean_zero, sums. Qed.

Lemma decision_score_zero d k y : s k y * lstop d k y + (1 - s k y) * lres d k y = 0.
Proof. unfold lstop, lres. ring. Qed.

Lemma scores_mean a d T k h : Ex n pi s T k (scores a d T k h) = 0.
Proof.
destruct (scores_mean_zero n pi s sums (ls a) (lstop d) (lres d) (ls_zero a) (fun k y _ => decision_score_zero d k y) T k h) as [A B].
transitivity (Ex n pi s T k (rule_sum (ls a) (lstop d) (lres d) one none T k h) + Ex n pi s T k (rule_sum (ls a) (lstop d) (lres d) none one T k h));
  [|rewrite A, B; ring].
rewrite <- Ex_plus. apply Ex_ext. intro l. unfold scores. clear A B. revert T k h.
induction l as [|[y c] l I]; intros [|T] k h; simpl; rewrite ?I; unfold one, none; ring.
Qed.

(* What a turn adds to the mean product of two scores; turns are apart. *)
Definition turn_information a d a' d' T k := Sum n (fun y => pi k y * (ls a k y * ls a' k y)) +
  match T with O => 0 | S _ => Sum n (fun y => pi k y * (s k y * (1 - s k y) * (d k y * d' k y))) end.

Theorem scores_information a d a' d' T : forall k h,
  Ex n pi s T k (fun l => scores a d T k h l * scores a' d' T k h l)
  = Sum (S T) (fun j => reach n pi s k j * turn_information a d a' d' (T - j) (k + j)).
Proof.
induction T as [|T I]; intros k h.
- simpl. rewrite Nat.add_0_r. unfold turn_information, scores. simpl. unfold one. rewrite Rplus_0_l, Rplus_0_r, Rmult_1_l.
  apply Sum_ext; intros; ring.
- rewrite Sum_first. change (reach n pi s k 0) with 1. rewrite Nat.add_0_r, Nat.sub_0_r.
  rewrite (Sum_ext (S T) _ (fun j => again n (pi k) (s k) * (reach n pi s (S k) j * turn_information a d a' d' (T - j) (S k + j)))).
  2:{ intros j Hj. replace (k + S j)%nat with (S k + j)%nat by lia. replace (S T - S j)%nat with (T - j)%nat by lia.
      change (reach n pi s k (S j)) with (again n (pi k) (s k) * reach n pi s (S k) j). ring. }
  rewrite Sum_scal. set (U := Sum (S T) _). simpl Ex. unfold turn_information, again. rewrite Rmult_1_l, <- Sum_scal_r, <- !Sum_plus.
  apply Sum_ext; intros y Hy.
  set (A := scores a d T (S k) ((y, false) :: h)). set (B := scores a' d' T (S k) ((y, false) :: h)).
  rewrite (Ex_ext n pi s T (S k) _ (fun l => (ls a k y + lres d k y) * (ls a' k y + lres d' k y) + ((ls a k y + lres d k y) * B l
    + ((ls a' k y + lres d' k y) * A l + A l * B l)))) by (intro; unfold A, B, scores; simpl; unfold one at 1 2 5 6; ring).
  rewrite !Ex_plus, !Ex_scal, Ex_const by exact sums. unfold A, B. rewrite !scores_mean, I. fold U.
  unfold scores; simpl; unfold one, lstop, lres. ring.
Qed.

(* The direction of a stage's advantages, discounted, solves F x = gradient. *)
Variables (Rs Rr Rl : nat -> nat -> R) (g : R).
Notation V := (V n pi s Rs Rr Rl g).
Notation Q := (Q n pi s Rs Rr Rl g).
Notation E := (Ex n pi s).
Variable T : nat.
Definition still (_ _ : nat) : R := 0.
Definition steepest_a k y := g ^ k * Energy.Q n pi s Rs Rr Rl g (T - k)%nat k y.
Definition steepest_d k y := g ^ k * (Rs k y - Energy.Q_res n pi s Rs Rr Rl g (T - k - 1)%nat k y).

Lemma steepest_ls k y : ls steepest_a k y = g ^ k * (Q (T - k)%nat k y - V (T - k)%nat k).
Proof.
unfold ls, score, steepest_a. rewrite (Sum_ext n _ (fun i => g ^ k * (pi k i * Q (T - k) k i))) by (intros; ring).
rewrite Sum_scal, <- bellman_capped by exact sums. ring.
Qed.

Lemma still_ls k y : ls still k y = 0.
Proof. unfold ls, score, still. rewrite Sum_zero by (intros; ring). ring. Qed.

Lemma slope a d : E T 0%nat (fun l => ret Rs Rr Rl g T 0 l * scores a d T 0 nil l)
  = Sum (S T) (fun j => reach n pi s 0 j * (Sum n (fun y => pi j y * (ls a j y * (g ^ j * Q (T - j)%nat j y)))
    + match (T - j)%nat with O => 0 | S _ => Sum n (fun y => pi j y * (s j y * (1 - s j y) * (d j y * steepest_d j y))) end)).
Proof.
unfold scores. rewrite (action_value_form n pi s Rs Rr Rl g sums (ls a) (lstop d) (lres d) (ls_zero a) (fun k y _ => decision_score_zero d k y)).
apply Sum_ext; intros j Hj. simpl (0 + j)%nat. rewrite (Rmult_comm (g ^ j)), Rmult_assoc. f_equal. unfold turn_gradient.
rewrite Rmult_plus_distr_l, <- Sum_scal. f_equal; [apply Sum_ext; intros; ring|].
destruct (T - j)%nat as [|m] eqn:M; [ring|]. rewrite <- Sum_scal. apply Sum_ext; intros y Hy. unfold steepest_d, lstop, lres.
rewrite M. replace (S m - 1)%nat with m by lia. ring.
Qed.

Lemma steepest_sampling a : E T 0%nat (fun l => ret Rs Rr Rl g T 0 l * scores a still T 0 nil l)
  = E T 0%nat (fun l => scores steepest_a still T 0 nil l * scores a still T 0 nil l).
Proof.
rewrite slope, scores_information. apply Sum_ext; intros j Hj. simpl (0 + j)%nat. f_equal. unfold turn_information. f_equal.
- transitivity (Sum n (fun y => pi j y * (ls steepest_a j y * ls a j y)) + g ^ j * V (T - j)%nat j * Sum n (fun y => pi j y * ls a j y)).
  + rewrite <- Sum_scal, <- Sum_plus. apply Sum_ext; intros y _. rewrite steepest_ls. ring.
  + rewrite ls_zero. ring.
- destruct (T - j)%nat; [reflexivity|]. apply Sum_ext; intros; unfold still; ring.
Qed.

Lemma steepest_decision d : E T 0%nat (fun l => ret Rs Rr Rl g T 0 l * scores still d T 0 nil l)
  = E T 0%nat (fun l => scores still steepest_d T 0 nil l * scores still d T 0 nil l).
Proof.
rewrite slope, scores_information. apply Sum_ext; intros j Hj. simpl (0 + j)%nat. f_equal. unfold turn_information. f_equal.
- apply Sum_ext; intros. rewrite still_ls. ring.
- destruct (T - j)%nat; [reflexivity|]. apply Sum_ext; intros; ring.
Qed.

Lemma energy_sampling : E T 0%nat (fun l => scores steepest_a still T 0 nil l * scores steepest_a still T 0 nil l)
  = energy n pi s g (sampling_variance n pi s Rs Rr Rl g) T 0.
Proof.
rewrite scores_information. unfold energy. apply Sum_ext; intros j Hj. simpl (0 + j)%nat. unfold turn_information, sampling_variance.
transitivity (reach n pi s 0 j * Sum n (fun y => (g ^ 2) ^ j * (pi j y * (Q (T - j)%nat j y - V (T - j)%nat j) ^ 2)));
  [|rewrite Sum_scal; ring]. f_equal.
rewrite <- (Rplus_0_r (Sum n (fun y => (g ^ 2) ^ j * _))). f_equal.
- apply Sum_ext; intros y _. rewrite steepest_ls, <- pow_mult, (Nat.mul_comm 2), pow_mult. ring.
- destruct (T - j)%nat; [reflexivity|]. apply Sum_zero; intros; unfold still; ring.
Qed.

Lemma energy_decision : E T 0%nat (fun l => scores still steepest_d T 0 nil l * scores still steepest_d T 0 nil l)
  = energy n pi s g (decision_variance n pi s Rs Rr Rl g) T 0.
Proof.
rewrite scores_information. unfold energy. apply Sum_ext; intros j Hj. simpl (0 + j)%nat. unfold turn_information, decision_variance.
rewrite (Sum_zero n (fun y => pi j y * (ls still j y * ls still j y))) by (intros; rewrite still_ls; ring). rewrite Rplus_0_l.
destruct (T - j)%nat as [|m] eqn:M; [ring|].
transitivity (reach n pi s 0 j * Sum n (fun y => (g ^ 2) ^ j * (pi j y * (s j y * (1 - s j y) * (Rs j y - Energy.Q_res n pi s Rs Rr Rl g m j y) ^ 2))));
  [|rewrite Sum_scal; ring]. f_equal.
apply Sum_ext; intros y _. unfold steepest_d. rewrite M. replace (S m - 1)%nat with m by lia. rewrite <- pow_mult, (Nat.mul_comm 2), pow_mult. ring.
Qed.
End Directions.

(* The mean return along a direction of a table of logits, and its derivative. *)
Definition along (z a : nat -> nat -> R) u k y := z k y + u * a k y.
Definition table_pi n (z : nat -> nat -> R) k := softmax n (z k).
Definition table_s (tau : nat -> nat -> R) k y := sigmoid (tau k y).

Lemma return_along n z tau Rs Rr Rl g T a d : (0 < n)%nat ->
  is_derive (fun u => V n (table_pi n (along z a u)) (table_s (along tau d u)) Rs Rr Rl g T 0) 0
    (Ex n (table_pi n z) (table_s tau) T 0
      (fun l => ret Rs Rr Rl g T 0 l * scores n (table_pi n z) (table_s tau) a d T 0 nil l)).
Proof.
intro N.
assert (L : forall (w v : nat -> nat -> R) k y, is_derive (fun u => along w v u k y) 0 (v k y)).
{ intros w v k y. unfold along. auto_derive; [trivial|]. ring. }
assert (Z0 : forall w v k y, along w v 0 k y = w k y) by (intros; unfold along; ring).
assert (P0 : forall k y, (y < n)%nat -> table_pi n (along z a 0) k y = table_pi n z k y).
{ intros k y Hy. apply softmax_ext; [intros; apply Z0 | exact Hy]. }
assert (S0 : forall k y, table_s (along tau d 0) k y = table_s tau k y) by (intros; unfold table_s; rewrite Z0; reflexivity).
assert (E0 : forall T k F, Ex n (table_pi n (along z a 0)) (table_s (along tau d 0)) T k F = Ex n (table_pi n z) (table_s tau) T k F).
{ clear T. induction T as [|T I]; intros k F; simpl; apply Sum_ext; intros y Hy; rewrite P0 by exact Hy; [reflexivity|]. rewrite S0, I. reflexivity. }
set (pi := table_pi n z). set (s := table_s tau).
assert (H1 : forall k y, (y < n)%nat -> is_derive (fun u => table_pi n (along z a u) k y) 0 (table_pi n (along z a 0) k y * ls n pi a k y)).
{ intros k y Hy. evar_last; [apply (softmax_derive n N (fun u => along z a u k) (a k)); [exact Hy | intros; apply L]|].
  change (softmax n (along z a 0 k) y) with (table_pi n (along z a 0) k y). f_equal. unfold ls, score. f_equal.
  apply Sum_ext; intros i Hi. change (softmax n (along z a 0 k) i) with (table_pi n (along z a 0) k i). rewrite P0 by exact Hi. reflexivity. }
assert (H2 : forall k y, (y < n)%nat -> is_derive (fun u => table_s (along tau d u) k y) 0 (table_s (along tau d 0) k y * lstop s d k y)).
{ intros k y Hy. evar_last; [apply (is_derive_comp sigmoid (fun u => along tau d u k y)); [apply sigmoid_derive | apply L]|].
  change (sigmoid (along tau d 0 k y)) with (table_s (along tau d 0) k y). rewrite S0.
  unfold scal; simpl; unfold mult; simpl. unfold lstop. fold s. ring. }
assert (H3 : forall k y, (y < n)%nat -> table_s (along tau d 0) k y * lstop s d k y + (1 - table_s (along tau d 0) k y) * lres s d k y = 0).
{ intros k y Hy. rewrite S0. apply decision_score_zero. }
evar_last; [exact (policy_gradient n (fun u => table_pi n (along z a u)) (fun u => table_s (along tau d u))
  (ls n pi a) (lstop s d) (lres s d) (fun _ => ret Rs Rr Rl g T 0) (fun _ => 0) 0 T H1 H2 H3 (fun l => is_derive_const _ 0) 0%nat nil)|].
rewrite E0. apply Ex_ext. intro l. unfold scores, whole. simpl. ring.
Qed.

(* Two solutions of F x = gradient, F symmetric, have the same x^T F x. *)
Lemma same_energy {D : Type} (I : D -> D -> R) x y : (forall v w, I v w = I w v) -> (forall v, I x v = I y v) -> I x x = I y y.
Proof. intros S H. rewrite H, S, H. reflexivity. Qed.

Section Prompts.
(* Prompts x of weight rho x, each with its own number of answers, cap, tables and rewards. *)
Variables (X : nat) (rho : nat -> R) (n T : nat -> nat) (z tau Rs Rr Rl : nat -> nat -> nat -> R) (g : R).
Hypothesis answers : forall x, (x < X)%nat -> (0 < n x)%nat.
Let pi x := table_pi (n x) (z x).
Let s x := table_s (tau x).
Definition direction := nat -> nat -> nat -> R.

(* The mean return as the logits move along a and d, and the Fisher information: the mean product of two scores. *)
Definition mean_return (a d : direction) u := Sum X (fun x => rho x *
  V (n x) (table_pi (n x) (along (z x) (a x) u)) (table_s (along (tau x) (d x) u)) (Rs x) (Rr x) (Rl x) g (T x) 0).
Definition information (a d a' d' : direction) := Sum X (fun x => rho x * Ex (n x) (pi x) (s x) (T x) 0
  (fun l => scores (n x) (pi x) (s x) (a x) (d x) (T x) 0 nil l * scores (n x) (pi x) (s x) (a' x) (d' x) (T x) 0 nil l)).

(* F x = gradient in the sampling logits, and in the stop logits, tested in every direction. *)
Definition sampling_natural (a : direction) :=
  forall v, is_derive (mean_return v (fun _ => still)) 0 (information a (fun _ => still) v (fun _ => still)).
Definition decision_natural (d : direction) :=
  forall v, is_derive (mean_return (fun _ => still) v) 0 (information (fun _ => still) d (fun _ => still) v).

Lemma information_symmetric a d a' d' : information a d a' d' = information a' d' a d.
Proof. apply Sum_ext; intros x _. f_equal. apply Ex_ext. intro; ring. Qed.

Lemma mean_return_derive a d : is_derive (mean_return a d) 0 (Sum X (fun x => rho x * Ex (n x) (pi x) (s x) (T x) 0
  (fun l => ret (Rs x) (Rr x) (Rl x) g (T x) 0 l * scores (n x) (pi x) (s x) (a x) (d x) (T x) 0 nil l))).
Proof. apply Sum_derive. intros x Hx. apply is_derive_scal, return_along, answers, Hx. Qed.

Lemma pi_sums x : (x < X)%nat -> forall k, Sum (n x) (pi x k) = 1.
Proof. intros Hx k. apply softmax_sum, answers, Hx. Qed.

(* B4: tables of logits for every prompt and turn, any number of prompts, answers and turns, any discount. F x = gradient has solutions in
   either stage; the energies x^T F x of all of them are the occupancy-weighted variances of the stage's advantages, averaged over prompts;
   and both add up to the mean variance of the return given the prompt. *)
Theorem energy_law_tables :
  (exists a, sampling_natural a) /\ (exists d, decision_natural d)
  /\ forall a d, sampling_natural a -> decision_natural d ->
  let e_s := information a (fun _ => still) a (fun _ => still) in let e_d := information (fun _ => still) d (fun _ => still) d in
  e_s = Sum X (fun x => rho x * energy (n x) (pi x) (s x) g (sampling_variance (n x) (pi x) (s x) (Rs x) (Rr x) (Rl x) g) (T x) 0)
  /\ e_d = Sum X (fun x => rho x * energy (n x) (pi x) (s x) g (decision_variance (n x) (pi x) (s x) (Rs x) (Rr x) (Rl x) g) (T x) 0)
  /\ e_s + e_d = Sum X (fun x => rho x * variance_of_return (n x) (pi x) (s x) (Rs x) (Rr x) (Rl x) g (T x) 0).
Proof.
set (A x := steepest_a (n x) (pi x) (s x) (Rs x) (Rr x) (Rl x) g (T x)).
set (D x := steepest_d (n x) (pi x) (s x) (Rs x) (Rr x) (Rl x) g (T x)).
assert (NA : sampling_natural A).
{ intro v. evar_last; [apply mean_return_derive|]. apply Sum_ext; intros x Hx. f_equal. apply steepest_sampling, pi_sums, Hx. }
assert (ND : decision_natural D).
{ intro v. evar_last; [apply mean_return_derive|]. apply Sum_ext; intros x Hx. f_equal. apply steepest_decision, pi_sums, Hx. }
split; [exists A; exact NA|]. split; [exists D; exact ND|]. intros a d Ha Hd e_s e_d.
assert (ES : e_s = Sum X (fun x => rho x * energy (n x) (pi x) (s x) g (sampling_variance (n x) (pi x) (s x) (Rs x) (Rr x) (Rl x) g) (T x) 0)).
{ unfold e_s. rewrite (same_energy (fun v w => information v (fun _ => still) w (fun _ => still)) a A).
  - apply Sum_ext; intros x Hx. f_equal. apply energy_sampling, pi_sums, Hx.
  - intros; apply information_symmetric.
  - intro v. rewrite <- (is_derive_unique _ _ _ (Ha v)). apply is_derive_unique, NA. }
assert (ED : e_d = Sum X (fun x => rho x * energy (n x) (pi x) (s x) g (decision_variance (n x) (pi x) (s x) (Rs x) (Rr x) (Rl x) g) (T x) 0)).
{ unfold e_d. rewrite (same_energy (fun v w => information (fun _ => still) v (fun _ => still) w) d D).
  - apply Sum_ext; intros x Hx. f_equal. apply energy_decision, pi_sums, Hx.
  - intros; apply information_symmetric.
  - intro v. rewrite <- (is_derive_unique _ _ _ (Hd v)). apply is_derive_unique, ND. }
split; [exact ES|]. split; [exact ED|]. rewrite ES, ED, <- Sum_plus. apply Sum_ext; intros x Hx.
rewrite <- Rmult_plus_distr_l. f_equal. apply energy_law, pi_sums, Hx.
Qed.
End Prompts.

(* The law needs rewards that turn, answer and decision determine: two answers, one decision and reward 1 for giving the first answer
   again. Fair coins have no gradient, hence no energy, and yet a return that varies. *)
Definition repeated (l : trajectory) : R := match l with (y, _) :: (y', _) :: _ => if Nat.eqb y y' then 1 else 0 | _ => 1 / 2 end.

Theorem history_counterexample : let coins (_ _ : nat) := 1 / 2 in
  (forall a d, Ex 2 coins coins 1 0 (fun l => repeated l * scores 2 coins coins a d 1 0 nil l) = 0)
  /\ Ex 2 coins coins 1 0 (fun l => repeated l ^ 2) - Ex 2 coins coins 1 0 repeated ^ 2 = 1 / 8.
Proof.
intro coins. split; [intros a d|]; simpl; unfold scores, repeated, coins, ls, lstop, lres, score; simpl; unfold one; field.
Qed.
