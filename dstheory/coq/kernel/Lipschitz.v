(* What is Lipschitz on every box: sums, products, quotients, softmax and logistic probabilities. Fields that are made of these and bounded
   have flows. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Policies Picard.
Open Scope R_scope.

Section Functions.
Variable n : nat.

(* Bounded and Lipschitz on every box of n coordinates; and at least some positive number there. *)
Definition tame (f : (nat -> R) -> R) := forall K, exists B L, 0 <= B /\ 0 <= L /\ forall x y, box n K x -> box n K y ->
  Rabs (f x) <= B /\ Rabs (f x - f y) <= L * distance n x y.
Definition above_zero (f : (nat -> R) -> R) := forall K, exists m, 0 < m /\ forall x, box n K x -> m <= f x.

Lemma tame_ext f h : (forall x, f x = h x) -> tame h -> tame f.
Proof. intros E H K. destruct (H K) as [B [L P]]. exists B, L. setoid_rewrite E. exact P. Qed.

Lemma tame_const c : tame (fun _ => c).
Proof.
intro K. exists (Rabs c), 0. split; [apply Rabs_pos|]. split; [lra|]. intros x y _ _. rewrite Rminus_eq_0, Rabs_R0. pose proof (distance_pos n x y). lra.
Qed.

Lemma tame_coordinate i : (i < n)%nat -> tame (fun x => x i).
Proof.
intros Hi K. exists (Rabs K), 1. split; [apply Rabs_pos|]. split; [lra|]. intros x y X _. split.
- apply Rle_trans with K; [apply X, Hi | apply Rle_abs].
- rewrite Rmult_1_l. apply (abs_below n (fun i => x i - y i)), Hi.
Qed.

(* A function of a tame one, if it is Lipschitz on intervals. *)
Lemma tame_comp h f : (forall B, 0 <= B -> exists C L, 0 <= C /\ 0 <= L /\ forall u v, Rabs u <= B -> Rabs v <= B ->
  Rabs (h u) <= C /\ Rabs (h u - h v) <= L * Rabs (u - v)) -> tame f -> tame (fun x => h (f x)).
Proof.
intros H T K. destruct (T K) as [B [L [B0 [L0 P]]]]. destruct (H B B0) as [C [D [C0 [D0 Q]]]]. exists C, (D * L). split; [exact C0|].
split; [apply Rmult_le_pos; assumption|]. intros x y X Y. destruct (P x y X Y) as [P1 P2]. destruct (P y x Y X) as [P3 _].
destruct (Q (f x) (f y) P1 P3) as [Q1 Q2]. split; [exact Q1|]. apply Rle_trans with (1 := Q2). rewrite Rmult_assoc. apply Rmult_le_compat_l; assumption.
Qed.

Lemma tame_plus f h : tame f -> tame h -> tame (fun x => f x + h x).
Proof.
intros F H K. destruct (F K) as [B [L [B0 [L0 P]]]]. destruct (H K) as [C [D [C0 [D0 Q]]]]. exists (B + C), (L + D). split; [lra|]. split; [lra|].
intros x y X Y. destruct (P x y X Y) as [P1 P2]. destruct (Q x y X Y) as [Q1 Q2]. split.
- pose proof (Rabs_triang (f x) (h x)). lra.
- replace (f x + h x - (f y + h y)) with ((f x - f y) + (h x - h y)) by ring. pose proof (Rabs_triang (f x - f y) (h x - h y)). lra.
Qed.

Lemma tame_mult f h : tame f -> tame h -> tame (fun x => f x * h x).
Proof.
intros F H K. destruct (F K) as [B [L [B0 [L0 P]]]]. destruct (H K) as [C [D [C0 [D0 Q]]]]. exists (B * C), (L * C + B * D).
split; [apply Rmult_le_pos; assumption|]. split; [apply Rplus_le_le_0_compat; apply Rmult_le_pos; assumption|].
intros x y X Y. destruct (P x y X Y) as [P1 P2]. destruct (P y x Y X) as [P3 _]. destruct (Q x y X Y) as [Q1 Q2]. destruct (Q y x Y X) as [Q3 _].
pose proof (distance_pos n x y). split.
- rewrite Rabs_mult. apply Rmult_le_compat; try assumption; apply Rabs_pos.
- replace (f x * h x - f y * h y) with ((f x - f y) * h x + f y * (h x - h y)) by ring.
  apply Rle_trans with (1 := Rabs_triang _ _). rewrite !Rabs_mult.
  assert (Rabs (f x - f y) * Rabs (h x) <= L * distance n x y * C) by (apply Rmult_le_compat; try assumption; apply Rabs_pos).
  assert (Rabs (f y) * Rabs (h x - h y) <= B * (D * distance n x y)) by (apply Rmult_le_compat; try assumption; apply Rabs_pos). lra.
Qed.

Lemma tame_opp f : tame f -> tame (fun x => - f x).
Proof. intro F. apply tame_ext with (fun x => (-1) * f x); [intro; ring|]. apply tame_mult; [apply tame_const | exact F]. Qed.

Lemma tame_minus f h : tame f -> tame h -> tame (fun x => f x - h x).
Proof. intros F H. apply tame_plus; [exact F | apply tame_opp, H]. Qed.

Lemma tame_Sum m (f : (nat -> R) -> nat -> R) : (forall i, (i < m)%nat -> tame (fun x => f x i)) -> tame (fun x => Sum m (f x)).
Proof.
induction m as [|m I]; intro H; [exact (tame_const 0)|]. simpl. apply tame_plus; [apply I; intros i Hi; apply H; lia | apply H; lia].
Qed.

Lemma exp_le_compat u v : u <= v -> exp u <= exp v.
Proof. intros [L | ->]; [apply Rlt_le, exp_increasing, L | lra]. Qed.

Lemma tame_exp f : tame f -> tame (fun x => exp (f x)).
Proof.
apply tame_comp. intros B B0. exists (exp B), (exp B). pose proof (exp_pos B). split; [lra|]. split; [lra|]. intros u v U V.
pose proof (Rle_abs u). pose proof (Rle_abs v). split; [rewrite Rabs_pos_eq by apply Rlt_le, exp_pos; apply exp_le_compat; lra|].
destruct (MVT_gen exp v u exp) as [w [W E]].
- intros; apply is_derive_Reals, derivable_pt_lim_exp.
- intros w _. apply derivable_continuous_pt, derivable_pt_exp.
- rewrite E, Rabs_mult, (Rabs_pos_eq (exp w)) by apply Rlt_le, exp_pos. apply Rmult_le_compat_r; [apply Rabs_pos|]. apply exp_le_compat.
  apply Rle_trans with (1 := proj2 W). apply Rmax_lub; lra.
Qed.

Lemma tame_inv f : tame f -> above_zero f -> tame (fun x => / f x).
Proof.
intros F A K. destruct (F K) as [B [L [B0 [L0 P]]]]. destruct (A K) as [m [M H]]. exists (/ m), (L / (m * m)).
assert (I : 0 < / m) by (apply Rinv_0_lt_compat, M). split; [lra|].
assert (MM : 0 < m * m) by (apply Rmult_lt_0_compat; assumption). split; [apply Rdiv_le_0_compat; lra|]. intros x y X Y.
pose proof (H x X) as HX. pose proof (H y Y) as HY. destruct (P y x Y X) as [_ D]. split.
- rewrite Rabs_pos_eq by (apply Rlt_le, Rinv_0_lt_compat; lra). apply Rinv_le_contravar; lra.
- replace (/ f x - / f y) with ((f y - f x) * (/ f x * / f y)) by (field; lra). rewrite Rabs_mult.
  assert (IX : 0 < / f x <= / m) by (split; [apply Rinv_0_lt_compat; lra | apply Rinv_le_contravar; lra]).
  assert (IY : 0 < / f y <= / m) by (split; [apply Rinv_0_lt_compat; lra | apply Rinv_le_contravar; lra]).
  rewrite (Rabs_pos_eq (/ f x * / f y)) by (apply Rmult_le_pos; lra). rewrite distance_sym in D.
  replace (L / (m * m) * distance n x y) with (L * distance n x y * (/ m * / m)) by (field; lra).
  apply Rmult_le_compat; [apply Rabs_pos | apply Rmult_le_pos; lra | exact D | apply Rmult_le_compat; lra].
Qed.

Lemma tame_div f h : tame f -> tame h -> above_zero h -> tame (fun x => f x / h x).
Proof. intros F H A. apply tame_mult; [exact F | apply tame_inv; assumption]. Qed.

(* What stays above zero. *)
Lemma above_zero_le f h : (forall x, h x <= f x) -> above_zero h -> above_zero f.
Proof. intros H A K. destruct (A K) as [m [M P]]. exists m. split; [exact M|]. intros x X. pose proof (P x X). pose proof (H x). lra. Qed.

Lemma above_zero_const c : 0 < c -> above_zero (fun _ => c).
Proof. intros C K. exists c. split; [exact C | intros; lra]. Qed.

Lemma above_zero_exp f : tame f -> above_zero (fun x => exp (f x)).
Proof.
intros F K. destruct (F K) as [B [L [B0 [L0 P]]]]. exists (exp (- B)). split; [apply exp_pos|]. intros x X. apply exp_le_compat.
destruct (P x x X X) as [P1 _]. apply Rabs_le_between in P1. lra.
Qed.

Lemma above_zero_mult f h : above_zero f -> above_zero h -> above_zero (fun x => f x * h x).
Proof.
intros F H K. destruct (F K) as [m [M P]]. destruct (H K) as [k [Q R']]. exists (m * k). split; [apply Rmult_lt_0_compat; assumption|].
intros x X. pose proof (P x X). pose proof (R' x X). apply Rmult_le_compat; lra.
Qed.

Lemma above_zero_inv f : tame f -> (forall x, 0 < f x) -> above_zero (fun x => / f x).
Proof.
intros F H K. destruct (F K) as [B [L [B0 [L0 P]]]]. exists (/ (B + 1)). split; [apply Rinv_0_lt_compat; lra|]. intros x X.
destruct (P x x X X) as [P1 _]. pose proof (Rle_abs (f x)). pose proof (H x). apply Rinv_le_contravar; lra.
Qed.

Lemma above_zero_Sum m (f : (nat -> R) -> nat -> R) j : (j < m)%nat -> (forall x i, (i < m)%nat -> 0 <= f x i) ->
  above_zero (fun x => f x j) -> above_zero (fun x => Sum m (f x)).
Proof.
intros Hj P. apply above_zero_le. intro x. apply (term_below m (f x)); [apply P | exact Hj].
Qed.

(* Logistic and softmax probabilities of tame logits. *)
Lemma tame_sigmoid f : tame f -> tame (fun x => sigmoid (f x)).
Proof.
intro F. assert (E : tame (fun x => exp (- f x))) by apply tame_exp, tame_opp, F. apply tame_inv.
- apply tame_plus; [apply tame_const | exact E].
- apply above_zero_le with (fun _ => 1); [intro x; pose proof (exp_pos (- f x)); lra | apply above_zero_const; lra].
Qed.

Lemma above_zero_sigmoid f : tame f -> above_zero (fun x => sigmoid (f x)).
Proof.
intro F. apply above_zero_inv; [apply tame_plus; [apply tame_const | apply tame_exp, tame_opp, F]|]. intro x. pose proof (exp_pos (- f x)). lra.
Qed.

Section Softmax.
Variables (m : nat) (z : (nat -> R) -> nat -> R).
Hypothesis answers : (0 < m)%nat.
Hypothesis logits : forall i, (i < m)%nat -> tame (fun x => z x i).

Lemma tame_Z : tame (fun x => Z m (z x)).
Proof. apply (tame_Sum m (fun x i => exp (z x i))). intros i Hi. apply tame_exp, logits, Hi. Qed.

Lemma tame_softmax i : (i < m)%nat -> tame (fun x => softmax m (z x) i).
Proof.
intro Hi. apply tame_div; [apply tame_exp, logits, Hi | exact tame_Z|].
apply (above_zero_Sum m (fun x i => exp (z x i)) i Hi); [intros; apply Rlt_le, exp_pos | apply above_zero_exp, logits, Hi].
Qed.

Lemma above_zero_softmax i : (i < m)%nat -> above_zero (fun x => softmax m (z x) i).
Proof.
intro Hi. apply above_zero_mult; [apply above_zero_exp, logits, Hi|]. apply above_zero_inv; [exact tame_Z | intro; apply Z_pos, answers].
Qed.
End Softmax.

(* One number for finitely many coordinates. *)
Lemma tame_field (F : (nat -> R) -> nat -> R) m : (forall i, (i < m)%nat -> tame (fun x => F x i)) ->
  forall K, exists L, 0 <= L /\ forall x y i, (i < m)%nat -> box n K x -> box n K y -> Rabs (F x i - F y i) <= L * distance n x y.
Proof.
intros H K. induction m as [|m I]; [exists 0; split; [lra | intros; lia]|].
destruct I as [L [L0 P]]; [intros i Hi; apply H; lia|]. destruct (H m ltac:(lia) K) as [B [D [_ [D0 Q]]]]. exists (L + D). split; [lra|].
intros x y i Hi X Y. pose proof (distance_pos n x y) as DP. destruct (Nat.eq_dec i m) as [->|N].
- destruct (Q x y X Y) as [_ Q2]. nra.
- pose proof (P x y i ltac:(lia) X Y). nra.
Qed.
End Functions.

(* A bounded field of such functions has exactly one curve from every start, for all times. *)
Theorem tame_flow n F M x0 : (forall i, (i < n)%nat -> tame n (fun x => F x i)) -> (forall x i, (i < n)%nat -> Rabs (F x i) <= M) ->
  exists x, follows n F x0 x /\ forall y, follows n F x0 y -> forall t i, (i < n)%nat -> y t i = x t i.
Proof.
intros T B. assert (B' : forall x i, (i < n)%nat -> Rabs (F x i) <= Rabs M) by (intros x i Hi; apply Rle_trans with M; [apply B, Hi | apply Rle_abs]).
pose proof (tame_field n F n T) as L. destruct (flow_exists n F (Rabs M) (Rabs_pos M) B' L x0) as [x X]. exists x. split; [exact X|].
intros y Y t i Hi. apply (flow_unique n F (Rabs M) (Rabs_pos M) B' L x0); assumption.
Qed.
