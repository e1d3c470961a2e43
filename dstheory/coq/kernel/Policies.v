(* Softmax over any number of answers and the logistic decision: probabilities, derivatives, scores.
   The logits move along any differentiable curve z t: a table, linear features, parameters shared between stages are special
   curves. z' is the derivative of the logits. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums.
Open Scope R_scope.

Definition Z (n : nat) (z : nat -> R) : R := Sum n (fun i => exp (z i)).
Definition softmax (n : nat) (z : nat -> R) (i : nat) : R := exp (z i) / Z n z.
Definition sigmoid (t : R) : R := / (1 + exp (- t)).

(* The logits z with logit j replaced by x: what a partial derivative moves. *)
Definition upd (z : nat -> R) (j : nat) (x : R) : nat -> R := fun i => if Nat.eq_dec i j then x else z i.

Lemma upd_self z j i : upd z j (z j) i = z i.
Proof. unfold upd; destruct (Nat.eq_dec i j); [subst|]; reflexivity. Qed.

Lemma upd_derive z j i : is_derive (fun x => upd z j x i) (z j) (delta i j).
Proof. unfold upd, delta; destruct (Nat.eq_dec i j); [apply @is_derive_id|apply @is_derive_const]. Qed.

Section Softmax.
Variable n : nat.
Hypothesis answers : (0 < n)%nat.

Lemma Z_pos z : 0 < Z n z.
Proof. apply Sum_pos; [exact answers | intros; apply exp_pos]. Qed.

(* Probabilities of a softmax are positive, *)
Theorem softmax_pos z i : 0 < softmax n z i.
Proof. apply Rdiv_lt_0_compat; [apply exp_pos | apply Z_pos]. Qed.

(* sum to 1, *)
Theorem softmax_sum z : Sum n (softmax n z) = 1.
Proof.
unfold softmax. rewrite (Sum_ext n _ (fun i => exp (z i) * / Z n z)) by reflexivity.
rewrite Sum_scal_r. fold (Z n z). field. apply Rgt_not_eq, Z_pos.
Qed.

(* and depend on nothing but the logits of the n answers. *)
Lemma softmax_ext z y i : (forall k, (k < n)%nat -> z k = y k) -> (i < n)%nat -> softmax n z i = softmax n y i.
Proof.
intros H Hi. unfold softmax, Z. rewrite (Sum_ext n (fun k => exp (z k)) (fun k => exp (y k))), H; auto.
intros k Hk; rewrite H; auto.
Qed.

Lemma Z_derive (z : R -> nat -> R) z' t : (forall i, (i < n)%nat -> is_derive (fun x => z x i) t (z' i)) ->
  is_derive (fun x => Z n (z x)) t (Sum n (fun i => z' i * exp (z t i))).
Proof.
intro H. apply Sum_derive. intros i Hi. evar_last.
- apply (is_derive_comp exp (fun x => z x i)); [apply is_derive_Reals, derivable_pt_lim_exp | apply H, Hi].
- reflexivity.
Qed.

(* The score of answer i: the derivative of its log-probability. *)
Definition score (z' p : nat -> R) (i : nat) : R := z' i - Sum n (fun k => p k * z' k).

(* d ln pi_i = z'_i - E[z'], for logits on any differentiable curve. *)
Theorem softmax_log_derive (z : R -> nat -> R) z' t i : (i < n)%nat ->
  (forall k, (k < n)%nat -> is_derive (fun x => z x k) t (z' k)) ->
  is_derive (fun x => ln (softmax n (z x) i)) t (score z' (softmax n (z t)) i).
Proof.
intros Hi H.
apply is_derive_ext with (fun x => z x i - ln (Z n (z x))).
- intro x. unfold softmax, Rdiv. rewrite ln_mult; [|apply exp_pos | apply Rinv_0_lt_compat, Z_pos].
  rewrite ln_Rinv by apply Z_pos. rewrite ln_exp. reflexivity.
- unfold score. apply (is_derive_minus (fun x => z x i) (fun x => ln (Z n (z x)))); [apply H, Hi|].
  evar_last.
  + apply (is_derive_comp ln (fun x => Z n (z x))); [apply is_derive_Reals, derivable_pt_lim_ln, Z_pos | apply Z_derive, H].
  + unfold scal; simpl; unfold mult; simpl. rewrite <- Sum_scal_r. apply Sum_ext; intros k Hk. unfold softmax, Rdiv. ring.
Qed.

(* The log-derivative rule: d pi_i = pi_i d ln pi_i. *)
Theorem softmax_derive (z : R -> nat -> R) z' t i : (i < n)%nat ->
  (forall k, (k < n)%nat -> is_derive (fun x => z x k) t (z' k)) ->
  is_derive (fun x => softmax n (z x) i) t (softmax n (z t) i * score z' (softmax n (z t)) i).
Proof.
intros Hi H. apply is_derive_ext with (fun x => exp (ln (softmax n (z x) i))).
- intro x; apply exp_ln, softmax_pos.
- evar_last.
  + apply (is_derive_comp exp (fun x => ln (softmax n (z x) i)));
      [apply is_derive_Reals, derivable_pt_lim_exp | apply (softmax_log_derive z z'); assumption].
  + unfold scal; simpl; unfold mult; simpl. rewrite exp_ln by apply softmax_pos. ring.
Qed.

(* The score identity: sum_i pi_i d ln pi_i = 0, for any probabilities. *)
Theorem score_mean_zero z' p : Sum n p = 1 -> Sum n (fun i => p i * score z' p i) = 0.
Proof.
intro H. unfold score. set (m := Sum n (fun k => p k * z' k)).
rewrite (Sum_ext n _ (fun i => p i * z' i + (- m) * p i)) by (intros; ring).
rewrite Sum_plus, Sum_scal, H. fold m. ring.
Qed.

(* In a table the derivative in the logit of answer j is pi_i (1[i = j] - pi_j). *)
Theorem softmax_table_derive z i j : (i < n)%nat -> (j < n)%nat ->
  is_derive (fun x => softmax n (upd z j x) i) (z j) (softmax n z i * (delta i j - softmax n z j)).
Proof.
intros Hi Hj. evar_last.
- apply (softmax_derive (upd z j) (fun k => delta k j)); [exact Hi | intros; apply upd_derive].
- assert (E : forall k, (k < n)%nat -> softmax n (upd z j (z j)) k = softmax n z k).
  { intros k Hk; apply softmax_ext; [intros; apply upd_self | exact Hk]. }
  unfold score. rewrite E by exact Hi. f_equal. f_equal.
  rewrite (Sum_delta n (softmax n (upd z j (z j)))) by exact Hj. apply E, Hj.
Qed.

(* Hence the mean of f moves with logit j by pi_j (f_j - mean of f): probability times advantage. *)
Theorem softmax_mean_derive z f j : (j < n)%nat ->
  is_derive (fun x => Sum n (fun i => softmax n (upd z j x) i * f i)) (z j)
    (softmax n z j * (f j - Sum n (fun i => softmax n z i * f i))).
Proof.
intro Hj. evar_last.
- apply (Sum_derive n (fun x i => softmax n (upd z j x) i * f i) (fun i => softmax n z i * (delta i j - softmax n z j) * f i)).
  intros i Hi. evar_last.
  + apply (is_derive_mult (fun x => softmax n (upd z j x) i) (fun _ => f i));
      [apply softmax_table_derive; assumption | apply @is_derive_const | intros; apply Rmult_comm].
  + unfold plus, mult, zero; simpl. ring.
- rewrite (Sum_ext n _ (fun i => (softmax n z i * f i) * delta i j + (- softmax n z j) * (softmax n z i * f i))) by (intros; ring).
  rewrite Sum_plus, Sum_scal, (Sum_delta n (fun i => softmax n z i * f i)) by exact Hj. ring.
Qed.
End Softmax.

(* The logistic decision. *)
Theorem sigmoid_in t : 0 < sigmoid t < 1.
Proof.
unfold sigmoid; pose proof (exp_pos (- t)); split; [apply Rinv_0_lt_compat; lra|].
rewrite <- Rinv_1 at 2. apply Rinv_lt_contravar; lra.
Qed.

Theorem sigmoid_derive t : is_derive sigmoid t (sigmoid t * (1 - sigmoid t)).
Proof. unfold sigmoid; pose proof (exp_pos (- t)). auto_derive; [lra|]. field; lra. Qed.

(* d ln P(stop) = 1 - P(stop) and d ln P(resample) = - P(stop), in the logit of stop. *)
Theorem sigmoid_log_derive t :
  is_derive (fun x => ln (sigmoid x)) t (1 - sigmoid t) /\ is_derive (fun x => ln (1 - sigmoid x)) t (- sigmoid t).
Proof.
pose proof (sigmoid_in t) as [L H]. split; (evar_last; [apply (is_derive_comp ln)|]).
- apply is_derive_Reals, derivable_pt_lim_ln, L.
- apply sigmoid_derive.
- unfold scal; simpl; unfold mult; simpl. field; lra.
- apply is_derive_Reals, derivable_pt_lim_ln. lra.
- apply (is_derive_minus (fun _ => 1) sigmoid); [apply @is_derive_const | apply sigmoid_derive].
- unfold scal; simpl; unfold mult, minus, plus, opp, zero; simpl. field; lra.
Qed.

(* Its score has mean zero. *)
Theorem sigmoid_score_mean_zero t : sigmoid t * (1 - sigmoid t) + (1 - sigmoid t) * (- sigmoid t) = 0.
Proof. ring. Qed.

(* A softmax over two is a logistic of the difference. *)
Theorem softmax_two z : softmax 2 z 0 = sigmoid (z 0%nat - z 1%nat).
Proof.
unfold softmax, sigmoid, Z; simpl.
replace (- (z 0%nat - z 1%nat)) with (z 1%nat + - z 0%nat) by ring. rewrite exp_plus, exp_Ropp.
pose proof (exp_pos (z 0%nat)); pose proof (exp_pos (z 1%nat)). field. lra.
Qed.
