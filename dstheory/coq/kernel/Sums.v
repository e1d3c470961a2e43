(* Finite sums over the numbers 0, ..., n - 1: answers, decisions, prompts, turns. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
Open Scope R_scope.

Fixpoint Sum (n : nat) (f : nat -> R) : R :=
  match n with O => 0 | S k => Sum k f + f k end.

Lemma Sum_ext n f g : (forall i, (i < n)%nat -> f i = g i) -> Sum n f = Sum n g.
Proof. induction n; simpl; intro H; [reflexivity|]. rewrite IHn, H; auto with arith. Qed.

Lemma Sum_plus n f g : Sum n (fun i => f i + g i) = Sum n f + Sum n g.
Proof. induction n; simpl; [lra|]. rewrite IHn; lra. Qed.

Lemma Sum_minus n f g : Sum n (fun i => f i - g i) = Sum n f - Sum n g.
Proof. induction n; simpl; [lra|]. rewrite IHn; lra. Qed.

Lemma Sum_scal n c f : Sum n (fun i => c * f i) = c * Sum n f.
Proof. induction n; simpl; [lra|]. rewrite IHn; lra. Qed.

Lemma Sum_scal_r n c f : Sum n (fun i => f i * c) = Sum n f * c.
Proof. induction n; simpl; [lra|]. rewrite IHn; lra. Qed.

Lemma Sum_zero n f : (forall i, (i < n)%nat -> f i = 0) -> Sum n f = 0.
Proof. induction n; simpl; intro H; [reflexivity|]. rewrite IHn, H; auto with arith; lra. Qed.

Lemma Sum_le n f g : (forall i, (i < n)%nat -> f i <= g i) -> Sum n f <= Sum n g.
Proof.
induction n; simpl; intro H; [lra|].
apply Rplus_le_compat; [apply IHn; auto with arith | apply H; auto with arith].
Qed.

Lemma Sum_nonneg n f : (forall i, (i < n)%nat -> 0 <= f i) -> 0 <= Sum n f.
Proof. intro H. rewrite <- (Sum_zero n (fun _ => 0)) by reflexivity. apply Sum_le; exact H. Qed.

Lemma Sum_pos_one n f j : (j < n)%nat -> 0 < f j -> (forall i, (i < n)%nat -> 0 <= f i) -> 0 < Sum n f.
Proof.
intros Hj Hp. induction n; intro H; [lia|]. simpl.
destruct (Nat.eq_dec j n) as [->|N].
- assert (0 <= Sum n f) by (apply Sum_nonneg; auto with arith). lra.
- assert (0 < Sum n f) by (apply IHn; [lia|auto with arith]). pose proof (H n ltac:(lia)). lra.
Qed.

Lemma Sum_pos n f : (0 < n)%nat -> (forall i, (i < n)%nat -> 0 < f i) -> 0 < Sum n f.
Proof. intros Hn H. apply (Sum_pos_one n f 0 Hn); [apply H; exact Hn | intros i Hi; apply Rlt_le, H, Hi]. Qed.

Lemma Sum_lt_one n f g j : (j < n)%nat -> f j < g j -> (forall i, (i < n)%nat -> f i <= g i) -> Sum n f < Sum n g.
Proof.
intros Hj Hs H. assert (0 < Sum n (fun i => g i - f i)) as P.
- apply (Sum_pos_one n _ j Hj); [lra|]. intros i Hi; pose proof (H i Hi); lra.
- rewrite Sum_minus in P; lra.
Qed.

(* A sum of nonnegative terms that is zero has no other terms than zero. *)
Lemma Sum_zero_each n f : (forall i, (i < n)%nat -> 0 <= f i) -> Sum n f = 0 -> forall i, (i < n)%nat -> f i = 0.
Proof.
intros H Z i Hi. destruct (Rle_lt_or_eq_dec 0 (f i) (H i Hi)) as [P|E]; [|symmetry; exact E].
pose proof (Sum_pos_one n f i Hi P H). lra.
Qed.

Lemma Sum_swap n m (f : nat -> nat -> R) : Sum n (fun i => Sum m (f i)) = Sum m (fun j => Sum n (fun i => f i j)).
Proof.
induction n; simpl.
- symmetry; apply Sum_zero; reflexivity.
- rewrite IHn, <- Sum_plus. reflexivity.
Qed.

Lemma Sum_abs n f : Rabs (Sum n f) <= Sum n (fun i => Rabs (f i)).
Proof.
induction n; simpl; [rewrite Rabs_R0; lra|].
eapply Rle_trans; [apply Rabs_triang|]. apply Rplus_le_compat_r, IHn.
Qed.

(* 1 if i is j, else 0. *)
Definition delta (i j : nat) : R := if Nat.eq_dec i j then 1 else 0.

Lemma delta_same i : delta i i = 1.
Proof. unfold delta; destruct (Nat.eq_dec i i); [reflexivity|lia]. Qed.

Lemma delta_other i j : i <> j -> delta i j = 0.
Proof. intro H; unfold delta; destruct (Nat.eq_dec i j); [lia|reflexivity]. Qed.

Lemma Sum_delta n f j : (j < n)%nat -> Sum n (fun i => f i * delta i j) = f j.
Proof.
intro H; induction n; [lia|]. simpl. destruct (Nat.eq_dec j n) as [->|N].
- rewrite Sum_zero; [rewrite delta_same; ring|]. intros i Hi; rewrite delta_other by lia; ring.
- rewrite IHn by lia. rewrite delta_other by lia; ring.
Qed.

(* The derivative of a finite sum is the sum of the derivatives. *)
Lemma Sum_derive n (f : R -> nat -> R) (f' : nat -> R) t :
  (forall i, (i < n)%nat -> is_derive (fun x => f x i) t (f' i)) ->
  is_derive (fun x => Sum n (f x)) t (Sum n f').
Proof.
induction n; simpl; intro H; [apply @is_derive_const|].
apply (is_derive_plus (fun x => Sum n (f x)) (fun x => f x n)); [apply IHn; auto with arith | apply H; auto with arith].
Qed.

(* Derivatives of a product, a sum and a complement. *)
Lemma product_derive (f h : R -> R) t f' h' : is_derive f t f' -> is_derive h t h' ->
  is_derive (fun x => f x * h x) t (f' * h t + f t * h').
Proof. intros F H. apply (is_derive_mult f h t f' h' F H). intros; apply Rmult_comm. Qed.

Lemma sum_derive (f h : R -> R) t f' h' : is_derive f t f' -> is_derive h t h' -> is_derive (fun x => f x + h x) t (f' + h').
Proof. intros F H. apply (is_derive_plus f h t f' h' F H). Qed.

Lemma complement_derive (f : R -> R) t f' : is_derive f t f' -> is_derive (fun x => 1 - f x) t (- f').
Proof.
intro F. evar_last; [apply (is_derive_minus (fun _ => 1) f t 0 f'); [apply @is_derive_const | exact F]|].
unfold minus, plus, opp; simpl. ring.
Qed.

(* Weighted by probabilities p: the variance is the mean of squares less the square of the mean. *)
Lemma variance n p f : Sum n p = 1 ->
  let m := Sum n (fun i => p i * f i) in
  Sum n (fun i => p i * (f i - m) ^ 2) = Sum n (fun i => p i * f i ^ 2) - m ^ 2.
Proof.
intros H m.
rewrite (Sum_ext n _ (fun i => p i * f i ^ 2 + (-2 * m) * (p i * f i) + m ^ 2 * p i)) by (intros; ring).
rewrite !Sum_plus, !Sum_scal, H. fold m. ring.
Qed.

(* A mean lies between the bounds of what it averages. *)
Lemma mean_between n p f lo hi : Sum n p = 1 -> (forall i, (i < n)%nat -> 0 <= p i) ->
  (forall i, (i < n)%nat -> lo <= f i <= hi) -> lo <= Sum n (fun i => p i * f i) <= hi.
Proof.
intros H P F; split.
- rewrite <- (Rmult_1_r lo), <- H, <- Sum_scal. apply Sum_le; intros i Hi. rewrite Rmult_comm.
  apply Rmult_le_compat_l; [apply P, Hi | apply F, Hi].
- rewrite <- (Rmult_1_r hi), <- H, <- Sum_scal. apply Sum_le; intros i Hi. rewrite (Rmult_comm hi).
  apply Rmult_le_compat_l; [apply P, Hi | apply F, Hi].
Qed.
