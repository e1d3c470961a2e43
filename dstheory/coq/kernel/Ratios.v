(* O9: how far a surrogate that is clipped token by token pushes an answer, for any number of tokens. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Policies.
Open Scope R_scope.

(* PPO's surrogate of a token of ratio r and advantage A. *)
Definition clipped eps r A := Rmin (r * A) (Rmin (Rmax r (1 - eps)) (1 + eps) * A).

Lemma clipped_up eps r A : 0 <= eps -> 0 < A -> clipped eps r A = A * Rmin r (1 + eps).
Proof.
intros E H. unfold clipped, Rmin, Rmax. destruct (Rle_dec r (1 - eps)); destruct (Rle_dec _ (1 + eps)); destruct (Rle_dec (r * A) _);
  destruct (Rle_dec r (1 + eps)); nra.
Qed.

Lemma clipped_down eps r A : 0 <= eps -> A < 0 -> clipped eps r A = A * Rmax r (1 - eps).
Proof.
intros E H. unfold clipped, Rmin, Rmax. destruct (Rle_dec r (1 - eps)); destruct (Rle_dec _ (1 + eps)); destruct (Rle_dec (r * A) _); nra.
Qed.

Fixpoint product L (r : nat -> R) := match L with O => 1 | S L => product L r * r L end.

Lemma product_const L c : product L (fun _ => c) = c ^ L.
Proof. induction L as [|L I]; simpl; [reflexivity|]. rewrite I. ring. Qed.

Lemma product_le L r q : (forall i, (i < L)%nat -> 0 < r i <= q i) -> 0 < product L r <= product L q.
Proof.
induction L as [|L I]; intro H; simpl; [lra|]. destruct (I ltac:(intros; apply H; lia)) as [A B]. pose proof (H L ltac:(lia)). split; [apply Rmult_lt_0_compat; lra|].
apply Rmult_le_compat; lra.
Qed.

Lemma product_ext L r q : (forall i, (i < L)%nat -> r i = q i) -> product L r = product L q.
Proof. induction L as [|L I]; intro H; simpl; [reflexivity|]. rewrite I, H; auto with arith. Qed.

(* In a finite set something is below a bound, or nothing is. *)
Lemma some_or_all L (P : nat -> Prop) : (forall i, P i \/ ~ P i) -> (exists i, (i < L)%nat /\ P i) \/ forall i, (i < L)%nat -> ~ P i.
Proof.
intro D. induction L as [|L [[i [Hi Pi]]|I]]; [right; intros; lia | left; exists i; split; [lia | exact Pi]|].
destruct (D L) as [P'|N]; [left; exists L; split; [lia | exact P'] | right]. intros i Hi. destruct (Nat.eq_dec i L) as [->|X]; [exact N | apply I; lia].
Qed.

(* L tokens of log-probabilities lp, sampled at old; all share the advantage A of their answer. *)
Section Answer.
Variables (L : nat) (old : nat -> R) (eps A : R).
Definition token_ratio (lp : nat -> R) t := exp (lp t - old t).
Definition answer_ratio lp := product L (token_ratio lp).
Definition surrogate lp := Sum L (fun t => clipped eps (token_ratio lp t) A).

(* The ratio of the answer's probabilities is the product of its tokens'. *)
Lemma ratio_of_answer lp : answer_ratio lp = exp (Sum L lp - Sum L old).
Proof.
unfold answer_ratio. induction L as [|m I]; simpl; [rewrite Rminus_0_r, exp_0; reflexivity|]. rewrite I. unfold token_ratio. rewrite <- exp_plus. f_equal. ring.
Qed.

Lemma one_token lp t d : (t < L)%nat -> is_derive (fun x => clipped eps (exp (x - old t)) A) (lp t) d ->
  is_derive (fun x => surrogate (upd lp t x)) (lp t) d.
Proof.
intros Ht D. evar_last.
- apply (Sum_derive L (fun x s => clipped eps (exp (upd lp t x s - old s)) A) (fun s => d * delta s t)). intros s _. destruct (Nat.eq_dec s t) as [->|N].
  + rewrite delta_same, Rmult_1_r. apply is_derive_ext with (2 := D). intro x. unfold upd. destruct (Nat.eq_dec t t); [reflexivity | lia].
  + rewrite delta_other, Rmult_0_r by exact N. apply is_derive_ext with (fun _ => clipped eps (exp (lp s - old s)) A); [|apply @is_derive_const].
    intro x. unfold upd. destruct (Nat.eq_dec s t); [lia | reflexivity].
- apply (Sum_delta L (fun _ => d)), Ht.
Qed.

Lemma below_bound x o c : 0 < c -> (exp (x - o) < c <-> x < o + ln c) /\ (exp (x - o) > c <-> x > o + ln c).
Proof.
intro C. assert (E : exp (ln c) = c) by (apply exp_ln, C). split; split; intro H.
- apply Rnot_le_lt. intro N. assert (exp (ln c) <= exp (x - o)); [|lra]. assert (ln c <= x - o) as [Y | ->] by lra; [apply Rlt_le, exp_increasing, Y | lra].
- rewrite <- E. apply exp_increasing. lra.
- apply Rnot_le_lt. intro N. assert (exp (x - o) <= exp (ln c)); [|lra]. assert (x - o <= ln c) as [Y | ->] by lra; [apply Rlt_le, exp_increasing, Y | lra].
- rewrite <- E. apply exp_increasing. lra.
Qed.

Lemma ratio_derive o x : is_derive (fun x => A * exp (x - o)) x (A * exp (x - o)).
Proof. auto_derive; [exact I | unfold Rminus; ring]. Qed.

(* A token of positive advantage is pushed as long as its ratio is below 1 + epsilon, and beyond it no further; *)
Lemma pushed_up lp t : 0 <= eps -> 0 < A -> (t < L)%nat ->
  (token_ratio lp t < 1 + eps -> is_derive (fun x => surrogate (upd lp t x)) (lp t) (A * token_ratio lp t))
  /\ (token_ratio lp t > 1 + eps -> is_derive (fun x => surrogate (upd lp t x)) (lp t) 0).
Proof.
intros E P Ht. unfold token_ratio. assert (C : 0 < 1 + eps) by lra. split; intro H; apply one_token; try exact Ht.
- apply is_derive_ext_loc with (fun x => A * exp (x - old t)); [|apply ratio_derive]. apply below_bound in H; [|exact C].
  apply filter_imp with (2 := open_lt _ _ H). intros x X. apply below_bound in X; [|exact C]. rewrite clipped_up, Rmin_left by lra. reflexivity.
- apply is_derive_ext_loc with (fun _ => A * (1 + eps)); [|apply @is_derive_const]. apply below_bound in H; [|exact C].
  apply filter_imp with (2 := open_gt _ _ H). intros x X. apply below_bound in X; [|exact C]. rewrite clipped_up, Rmin_right by lra. reflexivity.
Qed.

(* one of negative advantage as long as it is above 1 - epsilon. *)
Lemma pushed_down lp t : 0 <= eps < 1 -> A < 0 -> (t < L)%nat ->
  (token_ratio lp t > 1 - eps -> is_derive (fun x => surrogate (upd lp t x)) (lp t) (A * token_ratio lp t))
  /\ (token_ratio lp t < 1 - eps -> is_derive (fun x => surrogate (upd lp t x)) (lp t) 0).
Proof.
intros E P Ht. unfold token_ratio. assert (C : 0 < 1 - eps) by lra. split; intro H; apply one_token; try exact Ht.
- apply is_derive_ext_loc with (fun x => A * exp (x - old t)); [|apply ratio_derive]. apply below_bound in H; [|exact C].
  apply filter_imp with (2 := open_gt _ _ H). intros x X. apply below_bound in X; [|exact C]. rewrite clipped_down, Rmax_left by lra. reflexivity.
- apply is_derive_ext_loc with (fun _ => A * (1 - eps)); [|apply @is_derive_const]. apply below_bound in H; [|exact C].
  apply filter_imp with (2 := open_lt _ _ H). intros x X. apply below_bound in X; [|exact C]. rewrite clipped_down, Rmax_right by lra. reflexivity.
Qed.

(* O9. Tokens whose ratios are at most 1 + epsilon make a ratio of the answer of at most (1 + epsilon)^L. As long as that is not reached,
   a token of the answer is pushed up. Where it is reached by all tokens at their own bound, the surrogate is at its maximum, and the
   log-probability has moved by L ln (1 + epsilon); beyond, the gradient is 0. A decision is the case L = 1. *)
Theorem pushed_to_power lp : 0 < eps -> 0 < A ->
  answer_ratio lp = exp (Sum L lp - Sum L old)
  /\ ((forall t, (t < L)%nat -> token_ratio lp t <= 1 + eps) -> answer_ratio lp <= (1 + eps) ^ L)
  /\ (answer_ratio lp < (1 + eps) ^ L -> exists t, (t < L)%nat /\ token_ratio lp t < 1 + eps
       /\ is_derive (fun x => surrogate (upd lp t x)) (lp t) (A * token_ratio lp t) /\ 0 < A * token_ratio lp t)
  /\ ((forall t, (t < L)%nat -> token_ratio lp t = 1 + eps) ->
       answer_ratio lp = (1 + eps) ^ L /\ Sum L lp - Sum L old = INR L * ln (1 + eps) /\ forall q, surrogate q <= surrogate lp)
  /\ ((forall t, (t < L)%nat -> token_ratio lp t > 1 + eps) ->
       forall t, (t < L)%nat -> is_derive (fun x => surrogate (upd lp t x)) (lp t) 0).
Proof.
intros E P. assert (PR : forall q t, 0 < token_ratio q t) by (intros; apply exp_pos). split; [apply ratio_of_answer|]. split; [|split; [|split]].
- intro H. rewrite <- product_const. apply product_le. intros i Hi. split; [apply PR | apply H, Hi].
- intro H. destruct (some_or_all L (fun t => token_ratio lp t < 1 + eps)) as [[t [Ht B]]|N].
  + intro t. destruct (Rlt_dec (token_ratio lp t) (1 + eps)); [left | right]; assumption.
  + exists t. split; [exact Ht|]. split; [exact B|]. split; [apply pushed_up; lra || assumption | apply Rmult_lt_0_compat; [exact P | apply PR]].
  + exfalso. rewrite <- product_const in H. destruct (product_le L (fun _ => 1 + eps) (token_ratio lp)) as [_ X].
    * intros i Hi. pose proof (N i Hi). lra.
    * unfold answer_ratio in H. lra.
- intro H. assert (R : answer_ratio lp = (1 + eps) ^ L) by (rewrite <- product_const; apply product_ext, H). split; [exact R|]. split.
  + rewrite ratio_of_answer in R. rewrite <- (ln_exp (Sum L lp - Sum L old)), R, ln_pow; [reflexivity | lra].
  + intro q. apply Sum_le. intros t Ht. rewrite !clipped_up, (H t Ht) by lra. apply Rmult_le_compat_l; [lra|].
    rewrite (Rmin_left (1 + eps)) by lra. apply Rmin_r.
- intros H t Ht. apply pushed_up; try lra; try exact Ht. apply H, Ht.
Qed.

(* O9, downwards: the same with 1 - epsilon. *)
Theorem pushed_down_to_power lp : 0 < eps < 1 -> A < 0 ->
  ((forall t, (t < L)%nat -> 1 - eps <= token_ratio lp t) -> (1 - eps) ^ L <= answer_ratio lp)
  /\ ((1 - eps) ^ L < answer_ratio lp -> exists t, (t < L)%nat /\ 1 - eps < token_ratio lp t
       /\ is_derive (fun x => surrogate (upd lp t x)) (lp t) (A * token_ratio lp t) /\ A * token_ratio lp t < 0)
  /\ ((forall t, (t < L)%nat -> token_ratio lp t = 1 - eps) ->
       answer_ratio lp = (1 - eps) ^ L /\ Sum L lp - Sum L old = INR L * ln (1 - eps) /\ forall q, surrogate q <= surrogate lp)
  /\ ((forall t, (t < L)%nat -> token_ratio lp t < 1 - eps) ->
       forall t, (t < L)%nat -> is_derive (fun x => surrogate (upd lp t x)) (lp t) 0).
Proof.
intros E P. assert (PR : forall q t, 0 < token_ratio q t) by (intros; apply exp_pos). split; [|split; [|split]].
- intro H. rewrite <- product_const. apply product_le. intros i Hi. split; [lra | apply H, Hi].
- intro H. destruct (some_or_all L (fun t => 1 - eps < token_ratio lp t)) as [[t [Ht B]]|N].
  + intro t. destruct (Rlt_dec (1 - eps) (token_ratio lp t)); [left | right]; assumption.
  + exists t. split; [exact Ht|]. split; [exact B|]. split; [apply pushed_down; lra || assumption | pose proof (PR lp t); nra].
  + exfalso. rewrite <- product_const in H. destruct (product_le L (token_ratio lp) (fun _ => 1 - eps)) as [_ X].
    * intros i Hi. pose proof (N i Hi). pose proof (PR lp i). lra.
    * unfold answer_ratio in H. lra.
- intro H. assert (R : answer_ratio lp = (1 - eps) ^ L) by (rewrite <- product_const; apply product_ext, H). split; [exact R|]. split.
  + rewrite ratio_of_answer in R. rewrite <- (ln_exp (Sum L lp - Sum L old)), R, ln_pow; [reflexivity | lra].
  + intro q. apply Sum_le. intros t Ht. rewrite !clipped_down, (H t Ht) by lra. rewrite (Rmax_left (1 - eps)) by lra.
    pose proof (Rmax_r (token_ratio q t) (1 - eps)). nra.
- intros H t Ht. apply pushed_down; try lra; try exact Ht. apply H, Ht.
Qed.
End Answer.

(* Epsilon 1/5: an answer of three tokens is pushed up to (6/5)^3, and down to (4/5)^3. *)
Example pushed_to_power_met : let old (_ : nat) := -1 in let up (_ : nat) := -1 + ln (6 / 5) in
  answer_ratio 3 old up = (6 / 5) ^ 3 /\ (forall q, surrogate 3 old (1 / 5) 1 q <= surrogate 3 old (1 / 5) 1 up)
  /\ exists t, (t < 3)%nat /\ is_derive (fun x => surrogate 3 old (1 / 5) 1 (upd old t x)) (old t) 1.
Proof.
intros old up. assert (U : forall t, token_ratio old up t = 1 + 1 / 5).
{ intro t. unfold token_ratio, old, up. replace (-1 + ln (6 / 5) - -1) with (ln (6 / 5)) by ring. rewrite exp_ln by lra. field. }
assert (O : forall t, token_ratio old old t = 1) by (intro; unfold token_ratio; rewrite Rminus_eq_0; apply exp_0).
destruct (pushed_to_power 3 old (1 / 5) 1 up ltac:(lra) ltac:(lra)) as [_ [_ [_ [H _]]]]. destruct (H (fun t _ => U t)) as [R [_ M]].
destruct (pushed_to_power 3 old (1 / 5) 1 old ltac:(lra) ltac:(lra)) as [_ [_ [B _]]].
split; [rewrite R; f_equal; field|]. split; [exact M|]. destruct B as [t [Ht [_ [D _]]]].
- unfold answer_ratio. simpl. rewrite !O. lra.
- exists t. split; [exact Ht|]. rewrite O, Rmult_1_r in D. exact D.
Qed.

Example pushed_down_to_power_met : let old (_ : nat) := -1 in let down (_ : nat) := -1 + ln (4 / 5) in
  answer_ratio 3 old down = (4 / 5) ^ 3 /\ (forall q, surrogate 3 old (1 / 5) (-1) q <= surrogate 3 old (1 / 5) (-1) down)
  /\ exists t, (t < 3)%nat /\ is_derive (fun x => surrogate 3 old (1 / 5) (-1) (upd old t x)) (old t) (-1).
Proof.
intros old down. assert (U : forall t, token_ratio old down t = 1 - 1 / 5).
{ intro t. unfold token_ratio, old, down. replace (-1 + ln (4 / 5) - -1) with (ln (4 / 5)) by ring. rewrite exp_ln by lra. field. }
assert (O : forall t, token_ratio old old t = 1) by (intro; unfold token_ratio; rewrite Rminus_eq_0; apply exp_0).
destruct (pushed_down_to_power 3 old (1 / 5) (-1) down ltac:(lra) ltac:(lra)) as [_ [_ [H _]]]. destruct (H (fun t _ => U t)) as [R [_ M]].
destruct (pushed_down_to_power 3 old (1 / 5) (-1) old ltac:(lra) ltac:(lra)) as [_ [B _]].
split; [rewrite R; f_equal; field|]. split; [exact M|]. destruct B as [t [Ht [_ [D _]]]].
- unfold answer_ratio. simpl. rewrite !O. lra.
- exists t. split; [exact Ht|]. rewrite O, Rmult_1_r in D. exact D.
Qed.
