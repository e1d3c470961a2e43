(* Where the flow of the accuracy reward leads in the minimal chain: P(right) and the recognition of wrong answers tend to 1, each stage
   ends with half of the gain, and without discount 1 - Acc behaves like 1/(2t). *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Policies Picard Lipschitz Chain Accuracy Gradient Minimal Ascent Optimum Share.
Open Scope R_scope.

(* The three logits follow the gradient of the value. *)
Definition ascends g (ts tC tW : R -> R) := forall t, 0 <= t ->
  is_derive ts t (Derive (fun x => V3 g x (tC t) (tW t)) (ts t)) /\ is_derive tC t (Derive (fun x => V3 g (ts t) x (tW t)) (tC t))
  /\ is_derive tW t (Derive (fun x => V3 g (ts t) (tC t) x) (tW t)).

(* Such logits exist, from any start. *)
Lemma speeds_bounded g p a b : 0 <= g <= 1 -> 0 < p < 1 -> 0 < a < 1 -> 0 < b < 1 ->
  0 <= v_s g p a b <= 1 /\ 0 <= v_C g p a b <= 1 /\ 0 <= v_W g p a b <= 1.
Proof.
intros G P A B. destruct (D3_pos g p a b G P A B) as [D1 [D0 _]].
assert (PA : 0 <= p * a) by (apply Rmult_le_pos; lra). assert (GB : 0 <= g * b <= b) by nra.
assert (PB : 0 <= (1 - p) * b) by (apply Rmult_le_pos; lra). assert (PG : 0 <= p * (1 - g * (1 - a)) ) by (apply Rmult_le_pos; nra).
assert (U : 0 <= (1 - p) * (1 - g * b) <= D3 g p a b).
{ split; [apply Rmult_le_pos; lra|]. unfold D3. lra. }
assert (K : 0 <= 1 - g * (p + (1 - p) * b) <= D3 g p a b).
{ assert (p + (1 - p) * b <= 1) by nra. split; [nra|]. unfold D3. assert (0 <= g * (p * a)) by (apply Rmult_le_pos; lra). lra. }
assert (C : 0 <= (1 - a) * (1 - g * (p + (1 - p) * b)) <= D3 g p a b) by (split; [apply Rmult_le_pos; lra | nra]).
assert (W : 0 <= g * (1 - p) * b * (1 - b) <= D3 g p a b).
{ split; [repeat apply Rmult_le_pos; lra|]. apply Rle_trans with ((1 - p) * (1 - g * b)); [|lra].
  replace (g * (1 - p) * b * (1 - b)) with ((1 - p) * (g * b * (1 - b))) by ring. apply Rmult_le_compat_l; [lra | nra]. }
assert (Q : forall x, 0 <= x <= D3 g p a b -> 0 <= p * a * x / D3 g p a b ^ 2 <= 1).
{ intros x X. assert (0 < D3 g p a b ^ 2) by (apply pow_lt, D0). assert (0 <= p * a * x) by (apply Rmult_le_pos; lra).
  split; [apply Rdiv_le_0_compat; lra|]. apply Rmult_le_reg_r with (D3 g p a b ^ 2); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra.
  assert (p * a * x <= D3 g p a b * D3 g p a b) by (apply Rmult_le_compat; lra). lra. }
split; [|split].
- replace (v_s g p a b) with (p * a * ((1 - p) * (1 - g * b)) / D3 g p a b ^ 2) by (unfold v_s; field; lra). apply Q, U.
- replace (v_C g p a b) with (p * a * ((1 - a) * (1 - g * (p + (1 - p) * b))) / D3 g p a b ^ 2) by (unfold v_C; field; lra). apply Q, C.
- replace (v_W g p a b) with (p * a * (g * (1 - p) * b * (1 - b)) / D3 g p a b ^ 2) by (unfold v_W; field; lra). apply Q, W.
Qed.

Theorem ascends_exists g s0 C0 W0 : 0 <= g <= 1 -> exists ts tC tW, ts 0 = s0 /\ tC 0 = C0 /\ tW 0 = W0 /\ ascends g ts tC tW.
Proof.
intro G. set (p (x : nat -> R) := sigmoid (x 0%nat)). set (a (x : nat -> R) := sigmoid (x 1%nat)). set (b (x : nat -> R) := sigmoid (x 2%nat)).
set (F x i := match i with O => v_s g (p x) (a x) (b x) | S O => v_C g (p x) (a x) (b x) | _ => v_W g (p x) (a x) (b x) end).
assert (I : forall x, 0 < p x < 1 /\ 0 < a x < 1 /\ 0 < b x < 1) by (intro; repeat split; apply sigmoid_in).
assert (TP : tame 3 p) by (apply tame_sigmoid, tame_coordinate; lia). assert (TA : tame 3 a) by (apply tame_sigmoid, tame_coordinate; lia).
assert (TB : tame 3 b) by (apply tame_sigmoid, tame_coordinate; lia). assert (K : forall c, tame 3 (fun _ => c)) by (intro; apply tame_const).
assert (CP : tame 3 (fun x => 1 - p x)) by (apply tame_minus; [apply K | exact TP]).
assert (CA : tame 3 (fun x => 1 - a x)) by (apply tame_minus; [apply K | exact TA]).
assert (CB : tame 3 (fun x => 1 - b x)) by (apply tame_minus; [apply K | exact TB]).
assert (PB : tame 3 (fun x => (1 - p x) * b x)) by (apply tame_mult; assumption).
assert (TD : tame 3 (fun x => D3 g (p x) (a x) (b x))).
{ apply tame_minus; [apply K|]. apply tame_mult; [apply K|]. apply tame_plus; [apply tame_mult; assumption | exact PB]. }
assert (AD : above_zero 3 (fun x => D3 g (p x) (a x) (b x))).
{ apply above_zero_le with (fun x => p x * a x); [intro x; destruct (I x) as [IP [IA IB]]; apply D3_pos; assumption|].
  apply above_zero_mult; apply above_zero_sigmoid, tame_coordinate; lia. }
assert (Q : forall f, tame 3 f -> tame 3 (fun x => f x / D3 g (p x) (a x) (b x) ^ 2)).
{ intros f TF. apply tame_ext with (fun x => f x / (D3 g (p x) (a x) (b x) * D3 g (p x) (a x) (b x))); [intro; f_equal; f_equal; ring|].
  apply tame_div; [exact TF | apply tame_mult; assumption | apply above_zero_mult; assumption]. }
assert (T : forall i, (i < 3)%nat -> tame 3 (fun x => F x i)).
{ intros [|[|i]] _; unfold F, v_s, v_C, v_W; apply Q; repeat apply tame_mult; try assumption; try apply K;
    (apply tame_minus; [apply K|]); repeat apply tame_mult; try assumption; try apply K. apply tame_plus; assumption. }
assert (B : forall x i, (i < 3)%nat -> Rabs (F x i) <= 1).
{ intros x i _. destruct (I x) as [IP [IA IB]]. destruct (speeds_bounded g (p x) (a x) (b x) G IP IA IB) as [X [Y Z]].
  unfold F. destruct i as [|[|i]]; rewrite Rabs_pos_eq; lra. }
destruct (tame_flow 3 F 1 (fun i => match i with O => s0 | S O => C0 | _ => W0 end) T B) as [x [[Z D] _]].
exists (fun t => x t 0%nat), (fun t => x t 1%nat), (fun t => x t 2%nat).
split; [apply (Z 0%nat); lia|]. split; [apply (Z 1%nat); lia|]. split; [apply (Z 2%nat); lia|]. intros t _.
destruct (minimal_gradient g (x t 0%nat) (x t 1%nat) (x t 2%nat) G) as [X [Y W]]. cbv beta.
pose proof (is_derive_unique _ _ _ X) as EX. pose proof (is_derive_unique _ _ _ Y) as EY. pose proof (is_derive_unique _ _ _ W) as EW.
split; [|split].
- evar_last; [apply (D t 0%nat); lia | symmetry; exact EX].
- evar_last; [apply (D t 1%nat); lia | symmetry; exact EY].
- evar_last; [apply (D t 2%nat); lia | symmetry; exact EW].
Qed.

(* Tends to infinity: a function that rises and has no bound. *)
Lemma rises_without_bound f : (forall u v, 0 <= u <= v -> f u <= f v) -> (forall M, exists t, 0 <= t /\ M < f t) -> is_lim f p_infty p_infty.
Proof.
intros R U. apply is_lim_spec. intro M. destruct (U M) as [t [T H]]. exists t. intros y Y. pose proof (R t y ltac:(lra)). lra.
Qed.

Lemma sigmoid_above x : 1 - sigmoid x < exp (- x).
Proof. pose proof (exp_minus_sigmoid x) as E. pose proof (sigmoid_in x). pose proof (exp_pos (- x)). nra. Qed.

Lemma sigmoid_le x y : x <= y -> sigmoid x <= sigmoid y.
Proof.
intro L. unfold sigmoid. pose proof (exp_pos (- x)). pose proof (exp_pos (- y)). apply Rinv_le_contravar; [lra|].
assert (exp (- y) <= exp (- x)); [|lra]. destruct L as [L | ->]; [apply Rlt_le, exp_increasing; lra | lra].
Qed.

Lemma sigmoid_tends f : is_lim f p_infty p_infty -> is_lim (fun t => sigmoid (f t)) p_infty 1.
Proof.
intro H. apply is_lim_spec. intro eps. apply is_lim_spec in H. destruct (H (- ln eps)) as [T B]. exists T. intros t L. pose proof (B t L) as G.
pose proof (sigmoid_in (f t)). pose proof (sigmoid_above (f t)). assert (exp (- f t) < eps).
{ rewrite <- (exp_ln eps) by apply cond_pos. apply exp_increasing. lra. }
rewrite Rabs_left1 by lra. lra.
Qed.

Section Flow.
Variables (g : R) (ts tC tW : R -> R).
Hypothesis discount : 0 < g <= 1.
Hypothesis flow : ascends g ts tC tW.
Let p t := sigmoid (ts t).
Let a t := sigmoid (tC t).
Let b t := sigmoid (tW t).

Lemma velocities t : 0 <= t ->
  is_derive ts t (v_s g (p t) (a t) (b t)) /\ is_derive tC t (v_C g (p t) (a t) (b t)) /\ is_derive tW t (v_W g (p t) (a t) (b t)).
Proof.
intro T. destruct (flow t T) as [A [B C]]. destruct (minimal_gradient g (ts t) (tC t) (tW t) ltac:(lra)) as [X [Y Z]].
assert (EX : Derive (fun x => V3 g x (tC t) (tW t)) (ts t) = v_s g (p t) (a t) (b t)) by apply is_derive_unique, X.
assert (EY : Derive (fun x => V3 g (ts t) x (tW t)) (tC t) = v_C g (p t) (a t) (b t)) by apply is_derive_unique, Y.
assert (EZ : Derive (fun x => V3 g (ts t) (tC t) x) (tW t) = v_W g (p t) (a t) (b t)) by apply is_derive_unique, Z.
rewrite EX in A. rewrite EY in B. rewrite EZ in C. split; [exact A | split; [exact B | exact C]].
Qed.

Lemma inside t : 0 < p t < 1 /\ 0 < a t < 1 /\ 0 < b t < 1.
Proof. split; [|split]; apply sigmoid_in. Qed.

Lemma speeds t : 0 < v_s g (p t) (a t) (b t) /\ 0 < v_C g (p t) (a t) (b t) /\ 0 < v_W g (p t) (a t) (b t) <= v_s g (p t) (a t) (b t)
  /\ a t * p t * (1 - p t) * (1 - g * b t) <= v_s g (p t) (a t) (b t).
Proof.
destruct (inside t) as [P [A B]]. destruct (D3_pos g (p t) (a t) (b t) ltac:(lra) P A B) as [_ D].
unfold v_s, v_C, v_W. set (d := D3 g (p t) (a t) (b t)) in *. set (P' := p t) in *. set (A' := a t) in *. set (B' := b t) in *. clearbody d P' A' B'.
assert (D2 : 0 < d ^ 2 <= 1) by (split; [apply pow_lt; lra | nra]).
assert (I : 1 <= / d ^ 2) by (rewrite <- Rinv_1 at 1; apply Rinv_le_contravar; lra).
assert (AP : 0 < A' * P') by (apply Rmult_lt_0_compat; lra). assert (APP : 0 < A' * P' * (1 - P')) by (apply Rmult_lt_0_compat; lra).
assert (GB : g * B' < 1) by nra. assert (S : 0 < A' * P' * (1 - P') * (1 - g * B')) by (apply Rmult_lt_0_compat; lra).
assert (K : P' + (1 - P') * B' < 1) by nra. assert (C : 0 < A' * P' * (1 - A') * (1 - g * (P' + (1 - P') * B'))).
{ apply Rmult_lt_0_compat; [apply Rmult_lt_0_compat; lra | nra]. }
assert (W : 0 < g * A' * P' * (1 - P') * B' * (1 - B') <= A' * P' * (1 - P') * (1 - g * B')).
{ replace (g * A' * P' * (1 - P') * B' * (1 - B')) with (A' * P' * (1 - P') * (g * B' * (1 - B'))) by ring.
  assert (0 < g * B') by (apply Rmult_lt_0_compat; lra). assert (0 < g * B' * (1 - B')) by (apply Rmult_lt_0_compat; lra).
  split; [apply Rmult_lt_0_compat; lra|]. apply Rmult_le_compat_l; [lra | nra]. }
unfold Rdiv. split; [nra|]. split; [nra|]. split; [split; [nra|] | nra]. apply Rmult_le_compat_r; lra.
Qed.

Lemma logits_rise u v : 0 <= u <= v -> ts u <= ts v /\ tC u <= tC v /\ tW u <= tW v /\ tW v - tW u <= ts v - ts u.
Proof.
intro L. assert (G : forall f f', (forall t, 0 <= t -> is_derive f t (f' t)) -> (forall t, 0 <= f' t) -> f u <= f v).
{ intros f f' D P. pose proof (grows f f' 0 u v ltac:(lra) ltac:(intros; apply D; lra) ltac:(intros; apply P)). lra. }
split; [|split; [|split]].
- apply (G ts (fun t => v_s g (p t) (a t) (b t))); [intros; apply velocities; assumption | intro t; destruct (speeds t); lra].
- apply (G tC (fun t => v_C g (p t) (a t) (b t))); [intros; apply velocities; assumption | intro t; destruct (speeds t) as [_ [X _]]; lra].
- apply (G tW (fun t => v_W g (p t) (a t) (b t))); [intros; apply velocities; assumption | intro t; destruct (speeds t) as [_ [_ [X _]]]; lra].
- pose proof (grows (fun t => ts t - tW t) (fun t => v_s g (p t) (a t) (b t) - v_W g (p t) (a t) (b t)) 0 u v ltac:(lra)) as X.
  cbv beta in X. apply (Rplus_le_reg_r (tW u - ts u)). ring_simplify. enough (0 * (v - u) <= ts v - tW v - (ts u - tW u)) by lra. apply X.
  + intros t T. destruct (velocities t ltac:(lra)) as [A [_ C]]. apply (is_derive_minus ts tW); assumption.
  + intros t _. destruct (speeds t) as [_ [_ [Y _]]]. lra.
Qed.

Lemma rates_rise u v : 0 <= u <= v -> p u <= p v /\ a u <= a v /\ b u <= b v.
Proof. intro L. destruct (logits_rise u v L) as [A [B [C _]]]. split; [|split]; apply sigmoid_le; assumption. Qed.

(* The logit of sampling rises without bound. *)
Lemma sampling_unbounded : is_lim ts p_infty p_infty.
Proof.
apply rises_without_bound; [intros; apply logits_rise; assumption|]. intro M. destruct (Rlt_le_dec M (ts 0)) as [L|L]; [exists 0; lra|].
set (B := sigmoid (tW 0 + (M - ts 0))). set (P := sigmoid M). set (c := a 0 * p 0 * (1 - P) * (1 - g * B)).
pose proof (sigmoid_in M) as HP. fold P in HP. pose proof (sigmoid_in (tW 0 + (M - ts 0))) as HB. fold B in HB. destruct (inside 0) as [P0 [A0 _]].
assert (C : 0 < c). { unfold c. assert (g * B < 1) by nra. apply Rmult_lt_0_compat; [|lra]. apply Rmult_lt_0_compat; [|lra]. apply Rmult_lt_0_compat; lra. }
set (T := (M - ts 0) / c + 1). assert (T1 : c * T = M - ts 0 + c) by (unfold T; field; lra).
assert (T0 : 0 <= T). { unfold T. assert (0 <= (M - ts 0) / c) by (apply Rdiv_le_0_compat; lra). lra. }
exists T. split; [exact T0|]. apply Rnot_le_lt. intro N.
assert (Q : c * (T - 0) <= ts T - ts 0); [|nra].
apply grows with (f' := fun t => v_s g (p t) (a t) (b t)); [exact T0 | intros; apply velocities; lra|].
intros t Ht. destruct (speeds t) as [_ [_ [_ S]]]. apply Rle_trans with (2 := S). destruct (rates_rise 0 t ltac:(lra)) as [R1 [R2 _]].
destruct (logits_rise 0 t ltac:(lra)) as [_ [_ [_ R3]]]. destruct (logits_rise t T ltac:(lra)) as [R4 _]. destruct (inside t) as [Pt [At Bt]].
assert (Pb : p t <= P) by (apply sigmoid_le; lra). assert (Bb : b t <= B) by (apply sigmoid_le; lra).
unfold c. assert (GB : g * b t <= g * B) by (apply Rmult_le_compat_l; lra). assert (GB1 : g * B < 1) by nra.
apply Rmult_le_compat; [| lra | | lra].
- apply Rmult_le_pos; [apply Rmult_le_pos; lra | lra].
- apply Rmult_le_compat; [apply Rmult_le_pos; lra | lra | apply Rmult_le_compat; lra | lra].
Qed.

(* B6-conserved-discount in the minimal chain: (2 - g) tW - e^(-tW) + (1 - g) e^tW - g ts does not change, *)
Theorem minimal_conserved t : 0 <= t -> law_W g (tW t) - g * ts t = law_W g (tW 0) - g * ts 0.
Proof.
intro T. destruct T as [T | <-]; [|reflexivity]. symmetry. apply (eq_is_derive (fun t => law_W g (tW t) - g * ts t) 0 t); [|exact T].
intros u U. destruct (velocities u ltac:(lra)) as [A [_ C]]. evar_last.
- apply (is_derive_minus (fun t => law_W g (tW t)) (fun t => g * ts t)); [|apply is_derive_scal, A].
  apply (is_derive_comp (law_W g) tW); [apply law_W_derive | exact C].
- unfold minus, plus, opp, scal, zero; simpl; unfold mult; simpl. pose proof (law_W_slope g (tW u)) as L. cbv zeta in L. fold (b u) in L.
  unfold v_W, v_s. set (E := (2 - g) + exp (- tW u) + (1 - g) * exp (tW u)) in *. unfold Rdiv. set (d := / D3 g (p u) (a u) (b u) ^ 2).
  transitivity (g * a u * p u * (1 - p u) * d * (E * (b u * (1 - b u)) - (1 - g * b u))); [ring | rewrite L; ring].
Qed.

(* and the law of tC grows if there is a discount, and does not change without. *)
Lemma law_C_speed t : 0 <= t -> is_derive (fun t => law_C (tC t) - ts t) t (a t * p t ^ 2 * (1 - g) / D3 g (p t) (a t) (b t) ^ 2).
Proof.
intro T. destruct (velocities t T) as [A [B _]]. evar_last.
- apply (is_derive_minus (fun t => law_C (tC t)) ts); [|exact A]. apply (is_derive_comp law_C tC); [apply law_C_derive | exact B].
- unfold minus, plus, opp, scal; simpl; unfold mult; simpl. pose proof (exp_sigmoid (tC t)) as L. fold (a t) in L.
  destruct (inside t) as [P [A' B']]. destruct (D3_pos g (p t) (a t) (b t) ltac:(lra) P A' B') as [_ D].
  unfold v_C, v_s. set (E := exp (tC t)) in *. set (d := D3 g (p t) (a t) (b t)) in *.
  transitivity (a t * p t / d ^ 2 * (((1 + E) * (1 - a t)) * (1 - g * (p t + (1 - p t) * b t)) - (1 - p t) * (1 - g * b t)));
    [field; lra | rewrite L; field; lra].
Qed.

Theorem minimal_increases u v : g < 1 -> 0 <= u < v -> law_C (tC u) - ts u < law_C (tC v) - ts v.
Proof.
intros G L. apply (grows_strictly (fun t => law_C (tC t) - ts t) (fun t => a t * p t ^ 2 * (1 - g) / D3 g (p t) (a t) (b t) ^ 2)); [lra | |].
- intros; apply law_C_speed; lra.
- intros t _. destruct (inside t) as [P [A B]]. destruct (D3_pos g (p t) (a t) (b t) ltac:(lra) P A B) as [_ D].
  apply Rdiv_lt_0_compat; [|apply pow_lt; lra]. apply Rmult_lt_0_compat; [apply Rmult_lt_0_compat; [lra | apply pow_lt; lra] | lra].
Qed.

Lemma recognition_unbounded : is_lim tW p_infty p_infty.
Proof.
apply rises_without_bound; [intros; apply logits_rise; assumption|]. intro M.
pose proof sampling_unbounded as U. apply is_lim_spec in U.
set (c := law_W g (tW 0) - g * ts 0). destruct (U ((law_W g M - c) / g)) as [T H].
assert (X : exists t, 0 <= t /\ T < t) by (exists (Rmax 0 (T + 1)); pose proof (Rmax_l 0 (T + 1)); pose proof (Rmax_r 0 (T + 1)); lra).
destruct X as [t [T0 X]]. exists t. split; [exact T0|]. apply H in X. pose proof (minimal_conserved t T0) as E. fold c in E.
assert (Y : law_W g M < law_W g (tW t)).
{ assert (Z : law_W g M - c < g * ts t).
  { replace (law_W g M - c) with (g * ((law_W g M - c) / g)) by (field; lra). apply Rmult_lt_compat_l; lra. }
  lra. }
apply Rnot_le_lt. intro N. assert (law_W g (tW t) <= law_W g M); [|lra]. destruct N as [N | ->]; [|lra]. apply Rlt_le.
apply (grows_strictly (law_W g) (fun x => (2 - g) + exp (- x) + (1 - g) * exp x)); [exact N | intros; apply law_W_derive|].
intros x _. pose proof (exp_pos x). pose proof (exp_pos (- x)). assert (0 <= (1 - g) * exp x) by (apply Rmult_le_pos; lra). lra.
Qed.

(* B6-share: P(right) and the probability of resampling a wrong answer tend to 1, and a does not fall. *)
Theorem flow_limits : is_lim p p_infty 1 /\ is_lim b p_infty 1 /\ forall u v, 0 <= u <= v -> a u <= a v.
Proof.
split; [apply sigmoid_tends, sampling_unbounded|]. split; [apply sigmoid_tends, recognition_unbounded | intros; apply rates_rise; assumption].
Qed.

(* Accuracies with the sampling of time t and the decisions of time u. *)
Definition corner t u := accuracy 2 (two (p t) (1 - p t)) (two (a u) (1 - b u)) (Nat.eqb 0).

Lemma corner_closed t u : corner t u = p t * a u / (p t * a u + (1 - p t) * (1 - b u)).
Proof. unfold corner. rewrite two_accuracy. f_equal. ring. Qed.

Lemma corner_below t u : 0 <= t -> 0 <= u -> 0 < corner t u < 1 /\ 1 - corner t u <= (1 - p t) * (1 - b u) / (p 0 * a 0).
Proof.
intros T U. rewrite corner_closed. destruct (inside t) as [P _]. destruct (inside u) as [_ [A B]]. destruct (inside 0) as [P0 [A0 _]].
destruct (rates_rise 0 t ltac:(lra)) as [R1 _]. destruct (rates_rise 0 u ltac:(lra)) as [_ [R2 _]].
assert (C : 0 < p t * a u) by (apply Rmult_lt_0_compat; lra). assert (W : 0 < (1 - p t) * (1 - b u)) by (apply Rmult_lt_0_compat; lra).
assert (C0 : 0 < p 0 * a 0 <= p t * a u) by (split; [apply Rmult_lt_0_compat; lra | apply Rmult_le_compat; lra]).
set (c := p t * a u) in *. set (w := (1 - p t) * (1 - b u)) in *. set (c0 := p 0 * a 0) in *. clearbody c w c0.
assert (E : 1 - c / (c + w) = w / (c + w)) by (field; lra). assert (0 < w / (c + w)) by (apply Rdiv_lt_0_compat; lra).
assert (0 < c / (c + w)) by (apply Rdiv_lt_0_compat; lra). split; [lra|]. rewrite E. unfold Rdiv. apply Rmult_le_compat_l; [lra|].
apply Rinv_le_contravar; lra.
Qed.

Lemma tends_to_one f e : (forall t, 0 <= t -> 1 - e t <= f t <= 1) -> is_lim e p_infty 0 -> is_lim f p_infty 1.
Proof.
intros H E. apply (is_lim_le_le_loc (fun t => 1 - e t) (fun _ => 1)).
- exists 0. intros t T. apply H. lra.
- replace (Finite 1) with (Finite (1 - 0)) by (f_equal; ring). apply is_lim_minus'; [apply is_lim_const | exact E].
- apply is_lim_const.
Qed.

Lemma corners : is_lim (fun t => corner t 0) p_infty 1 /\ is_lim (fun t => corner 0 t) p_infty 1 /\ is_lim (fun t => corner t t) p_infty 1.
Proof.
destruct flow_limits as [LP [LB _]]. set (k := / (p 0 * a 0)). destruct (inside 0) as [P0 [A0 B0]].
assert (K : 0 < k) by (apply Rinv_0_lt_compat, Rmult_lt_0_compat; lra).
assert (DP : is_lim (fun t => (1 - p t) * k) p_infty 0).
{ replace (Finite 0) with (Finite ((1 - 1) * k)) by (f_equal; ring). apply (is_lim_mult (fun t => 1 - p t) (fun _ => k) p_infty (1 - 1) k);
    [apply is_lim_minus'; [apply is_lim_const | exact LP] | apply is_lim_const | exact I]. }
assert (DB : is_lim (fun t => (1 - b t) * k) p_infty 0).
{ replace (Finite 0) with (Finite ((1 - 1) * k)) by (f_equal; ring). apply (is_lim_mult (fun t => 1 - b t) (fun _ => k) p_infty (1 - 1) k);
    [apply is_lim_minus'; [apply is_lim_const | exact LB] | apply is_lim_const | exact I]. }
assert (M : forall x y, 0 < x < 1 -> 0 < y < 1 -> x * y * k <= x * k /\ x * y * k <= y * k)
  by (intros x y X Y; assert (x * y <= x) by nra; assert (x * y <= y) by nra; split; apply Rmult_le_compat_r; lra).
split; [|split].
- apply tends_to_one with (2 := DP). intros t T. destruct (corner_below t 0 T ltac:(lra)) as [C D]. destruct (inside t) as [P _].
  destruct (M (1 - p t) (1 - b 0) ltac:(lra) ltac:(lra)). fold k in D. unfold Rdiv in D. fold k in D. lra.
- apply tends_to_one with (2 := DB). intros t T. destruct (corner_below 0 t ltac:(lra) T) as [C D]. destruct (inside t) as [_ [_ B]].
  destruct (M (1 - p 0) (1 - b t) ltac:(lra) ltac:(lra)). unfold Rdiv in D. fold k in D. lra.
- apply tends_to_one with (2 := DP). intros t T. destruct (corner_below t t T T) as [C D]. destruct (inside t) as [P [_ B]].
  destruct (M (1 - p t) (1 - b t) ltac:(lra) ltac:(lra)). unfold Rdiv in D. fold k in D. lra.
Qed.

(* B6-share: each stage alone tends to accuracy 1, and the decisions' Shapley share of the gain since time 0 tends to 1/2. *)
Theorem share_tends_to_half :
  is_lim (fun t => corner t 0) p_infty 1 /\ is_lim (fun t => corner 0 t) p_infty 1
  /\ is_lim (fun t => decision_share 2 (two (p 0) (1 - p 0)) (two (a 0) (1 - b 0)) (two (p t) (1 - p t)) (two (a t) (1 - b t)) (Nat.eqb 0))
       p_infty (1 / 2).
Proof.
destruct corners as [F10 [F01 F11]]. split; [exact F10|]. split; [exact F01|]. destruct (corner_below 0 0 ltac:(lra) ltac:(lra)) as [C _].
set (c := corner 0 0) in *.
apply is_lim_ext with (fun t => ((corner 0 t - c + (corner t t - corner t 0)) / 2) / (corner t t - c)).
- intro t. unfold decision_share. rewrite parts_sum. reflexivity.
- replace (Finite (1 / 2)) with (Rbar_div (Finite ((1 - c + (1 - 1)) / 2)) (Finite (1 - c))).
  + apply is_lim_div.
    * apply (is_lim_mult (fun t => corner 0 t - c + (corner t t - corner t 0)) (fun _ => / 2) p_infty (1 - c + (1 - 1)) (/ 2));
        [apply is_lim_plus'; apply is_lim_minus'; try assumption; apply is_lim_const | apply is_lim_const | exact I].
    * apply is_lim_minus'; [assumption | apply is_lim_const].
    * intro E. injection E. lra.
    * exact I.
  + simpl. f_equal. field. lra.
Qed.
End Flow.

(* Without discount: the accuracy, its odds' partner y = 1/(1 - Acc), and the parts of its rate. *)
Section Undiscounted.
Variables ts tC tW : R -> R.
Hypothesis flow : ascends 1 ts tC tW.
Let p t := sigmoid (ts t).
Let a t := sigmoid (tC t).
Let b t := sigmoid (tW t).
Let acc t := V3 1 (ts t) (tC t) (tW t).
Definition rate A a b := A ^ 2 * (1 + (1 - a) ^ 2 + b ^ 2).

Lemma acc_closed t : acc t = p t * a t / D3 1 (p t) (a t) (b t).
Proof. apply V3_closed. Qed.

Lemma acc_in t : 0 < acc t < 1 /\ 1 - acc t = (1 - p t) * (1 - b t) / D3 1 (p t) (a t) (b t).
Proof.
destruct (inside ts tC tW t) as [P [A B]]. fold (p t) (a t) (b t) in P, A, B. destruct (D3_pos 1 (p t) (a t) (b t) ltac:(lra) P A B) as [_ D].
assert (E : 1 - acc t = (1 - p t) * (1 - b t) / D3 1 (p t) (a t) (b t)) by (rewrite acc_closed; unfold D3 in *; field; lra).
assert (0 < (1 - p t) * (1 - b t) / D3 1 (p t) (a t) (b t)) by (apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat; lra | lra]).
assert (0 < acc t) by (rewrite acc_closed; apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat; lra | lra]). split; [lra | exact E].
Qed.

(* What each stage contributes to the rate of 1/(1 - Acc): the square of its gradient, over (1 - Acc)^2. *)
Theorem rate_parts t : let s := Derive (fun x => V3 1 x (tC t) (tW t)) (ts t) in let c := Derive (fun x => V3 1 (ts t) x (tW t)) (tC t) in
  let w := Derive (fun x => V3 1 (ts t) (tC t) x) (tW t) in
  s ^ 2 / (1 - acc t) ^ 2 = acc t ^ 2 /\ (c ^ 2 + w ^ 2) / (1 - acc t) ^ 2 = acc t ^ 2 * ((1 - a t) ^ 2 + b t ^ 2).
Proof.
intros s c w. destruct (minimal_gradient 1 (ts t) (tC t) (tW t) ltac:(lra)) as [X [Y Z]].
assert (EX : s = v_s 1 (p t) (a t) (b t)) by apply is_derive_unique, X. assert (EY : c = v_C 1 (p t) (a t) (b t)) by apply is_derive_unique, Y.
assert (EZ : w = v_W 1 (p t) (a t) (b t)) by apply is_derive_unique, Z.
destruct (inside ts tC tW t) as [P [A B]]. fold (p t) (a t) (b t) in P, A, B. destruct (D3_pos 1 (p t) (a t) (b t) ltac:(lra) P A B) as [_ D].
destruct (acc_in t) as [_ E]. rewrite E, EX, EY, EZ, acc_closed. unfold v_s, v_C, v_W. set (d := D3 1 (p t) (a t) (b t)) in *. split; field; lra.
Qed.

Theorem rate_derive t : 0 <= t -> is_derive (fun t => / (1 - acc t)) t (rate (acc t) (a t) (b t)).
Proof.
intro T. destruct (velocities 1 ts tC tW ltac:(lra) flow t T) as [A [B C]]. fold (p t) (a t) (b t) in A, B, C.
destruct (inside ts tC tW t) as [P [Ha Hb]]. fold (p t) (a t) (b t) in P, Ha, Hb.
destruct (D3_pos 1 (p t) (a t) (b t) ltac:(lra) P Ha Hb) as [_ D]. destruct (acc_in t) as [AI E].
assert (Y : forall u, 1 + p u * a u / ((1 - p u) * (1 - b u)) = / (1 - acc u)).
{ intro u. destruct (inside ts tC tW u) as [P' [A' B']]. fold (p u) (a u) (b u) in P', A', B'.
  destruct (D3_pos 1 (p u) (a u) (b u) ltac:(lra) P' A' B') as [_ D']. destruct (acc_in u) as [_ E']. rewrite E'. unfold D3 in *. field. lra. }
apply is_derive_ext with (1 := Y).
assert (O : forall f x, is_derive f t x -> is_derive (fun u => sigmoid (f u)) t (x * (sigmoid (f t) * (1 - sigmoid (f t)))))
  by (intros f x H; apply (is_derive_comp sigmoid f); [apply sigmoid_derive | exact H]).
pose proof (O ts _ A) as DP. pose proof (O tC _ B) as DA. pose proof (O tW _ C) as DB. fold (p t) in DP. fold (a t) in DA. fold (b t) in DB.
set (vs := v_s 1 (p t) (a t) (b t)) in *. set (vC := v_C 1 (p t) (a t) (b t)) in *. set (vW := v_W 1 (p t) (a t) (b t)) in *.
evar_last.
- apply (sum_derive (fun _ => 1) (fun u => p u * a u / ((1 - p u) * (1 - b u)))); [apply @is_derive_const|].
  apply (is_derive_div (fun u => p u * a u) (fun u => (1 - p u) * (1 - b u))).
  + apply (product_derive p a); [exact DP | exact DA].
  + apply (product_derive (fun u => 1 - p u) (fun u => 1 - b u)); apply complement_derive; [exact DP | exact DB].
  + assert (0 < (1 - p t) * (1 - b t)) by (apply Rmult_lt_0_compat; lra). lra.
- unfold zero; simpl. unfold rate. rewrite acc_closed. unfold vs, vC, vW, v_s, v_C, v_W, D3 in *. field. repeat split; lra.
Qed.

(* A function whose slope tends to l grows like l t. *)
Lemma slope_limit (f f' : R -> R) (l : R) : (forall t, 0 <= t -> is_derive f t (f' t)) -> is_lim f' p_infty l -> is_lim (fun t => f t / t) p_infty l.
Proof.
intros D L. apply is_lim_spec. intro eps. apply is_lim_spec in L. destruct (L (pos_div_2 eps)) as [T0 H].
set (T := Rmax 1 (T0 + 1)). assert (T1 : 1 <= T) by apply Rmax_l. assert (TT : T0 < T) by (unfold T; pose proof (Rmax_r 1 (T0 + 1)); lra).
set (C := Rabs (f T - l * T)). exists (Rmax T (2 * C / eps)). intros t Ht. pose proof (Rmax_l T (2 * C / eps)). pose proof (Rmax_r T (2 * C / eps)).
assert (Tt : T < t) by lra. assert (Ct : 2 * C / eps < t) by lra. pose proof (cond_pos eps) as E0.
assert (Q : forall x, T <= x -> l - eps / 2 <= f' x <= l + eps / 2).
{ intros x X. pose proof (H x ltac:(lra)) as G. simpl in G. apply Rabs_def2 in G. lra. }
pose proof (grows f f' (l - eps / 2) T t ltac:(lra) ltac:(intros; apply D; lra) ltac:(intros x X; apply Q; lra)) as G1.
pose proof (grows (fun x => - f x) (fun x => - f' x) (- (l + eps / 2)) T t ltac:(lra)
  ltac:(intros x X; apply (is_derive_opp f), D; lra) ltac:(intros x X; pose proof (Q x ltac:(lra)); lra)) as G2. cbv beta in G2.
assert (C2 : C < eps / 2 * t).
{ apply Rmult_lt_reg_r with (2 / eps); [apply Rdiv_lt_0_compat; lra|].
  replace (C * (2 / eps)) with (2 * C / eps) by (field; lra). replace (eps / 2 * t * (2 / eps)) with t by (field; lra). exact Ct. }
assert (B : Rabs (f t - l * t) < eps * t).
{ apply Rabs_def1; unfold C in C2; [pose proof (Rle_abs (f T - l * T)); nra | pose proof (Rle_abs (- (f T - l * T))) as Z; rewrite Rabs_Ropp in Z; nra]. }
replace (f t / t - l) with ((f t - l * t) / t) by (field; lra). unfold Rdiv. rewrite Rabs_mult, (Rabs_pos_eq (/ t)) by (apply Rlt_le, Rinv_0_lt_compat; lra).
apply Rmult_lt_reg_r with t; [lra|]. rewrite Rmult_assoc, Rinv_l by lra. lra.
Qed.

(* B6-rate: the rate tends to 2, one for each stage, and (1 - Acc) 2t tends to 1. *)
Theorem rate_tends_to_two :
  is_lim (fun t => acc t ^ 2) p_infty 1 /\ is_lim (fun t => rate (acc t) (a t) (b t)) p_infty 2
  /\ is_lim (fun t => (1 - acc t) * (2 * t)) p_infty 1.
Proof.
destruct (flow_limits 1 ts tC tW ltac:(lra) flow) as [_ [LB _]]. destruct (corners 1 ts tC tW ltac:(lra) flow) as [_ [_ LA]].
assert (LA' : is_lim acc p_infty 1) by (apply is_lim_ext with (2 := LA); reflexivity).
assert (LC : is_lim a p_infty 1).
{ apply sigmoid_tends. pose proof (sampling_unbounded 1 ts tC tW ltac:(lra) flow) as U.
  apply rises_without_bound; [intros; apply (logits_rise 1 ts tC tW ltac:(lra) flow); assumption|]. intro M.
  apply is_lim_spec in U. destruct (U (law_C M - (law_C (tC 0) - ts 0))) as [T H].
  assert (X : exists t, 0 < t /\ T < t) by (exists (Rmax 1 (T + 1)); pose proof (Rmax_l 1 (T + 1)); pose proof (Rmax_r 1 (T + 1)); lra).
  destruct X as [t [T0 X]]. apply H in X. exists t. split; [lra|].
  assert (E : law_C (tC 0) - ts 0 = law_C (tC t) - ts t).
  { apply (eq_is_derive (fun t => law_C (tC t) - ts t) 0 t); [|exact T0]. intros u U'. evar_last; [apply (law_C_speed 1 ts tC tW ltac:(lra) flow u); lra|].
    unfold zero; simpl. unfold Rdiv. ring. }
  apply Rnot_le_lt. intro N. assert (law_C (tC t) <= law_C M); [|lra]. destruct N as [N | ->]; [|lra]. apply Rlt_le.
  apply (grows_strictly law_C (fun x => 1 + exp x)); [exact N | intros; apply law_C_derive | intros x _; pose proof (exp_pos x); lra]. }
assert (MU : forall f h (x y : R), is_lim f p_infty x -> is_lim h p_infty y -> is_lim (fun t => f t * h t) p_infty (x * y))
  by (intros f h x y F H; apply (is_lim_mult f h p_infty x y); [exact F | exact H | exact I]).
assert (SQ : forall f x, is_lim f p_infty (Finite x) -> is_lim (fun t => f t ^ 2) p_infty (Finite (x ^ 2))).
{ intros f x F. apply is_lim_ext with (fun t => f t * f t); [intro; simpl; ring|]. replace (x ^ 2) with (x * x) by ring. apply MU; exact F. }
assert (A2 : is_lim (fun t => acc t ^ 2) p_infty 1) by (replace (Finite 1) with (Finite (1 ^ 2)) by (f_equal; ring); apply SQ, LA').
assert (RT : is_lim (fun t => rate (acc t) (a t) (b t)) p_infty 2).
{ unfold rate. replace (Finite 2) with (Finite (1 * (1 + (1 - 1) ^ 2 + 1 ^ 2))) by (f_equal; ring). apply MU; [exact A2|].
  apply is_lim_plus'; [apply is_lim_plus'; [apply is_lim_const|] | apply SQ, LB]. apply (SQ (fun t => 1 - a t)).
  apply is_lim_minus'; [apply is_lim_const | exact LC]. }
split; [exact A2|]. split; [exact RT|].
pose proof (slope_limit (fun t => / (1 - acc t)) _ 2 rate_derive RT) as G.
apply (is_lim_inv _ _ 2) in G; [|intro E; injection E; lra].
apply is_lim_ext_loc with (fun t => 2 * / (/ (1 - acc t) / t)).
- exists 0. intros t T. destruct (acc_in t) as [B _]. field. lra.
- replace (Finite 1) with (Finite (2 * / 2)) by (f_equal; field). apply MU; [apply is_lim_const | exact G].
Qed.
End Undiscounted.

(* From every start there is a flow, and all of this is so along it. *)
Definition ascends_from g s0 C0 W0 ts tC tW := ts 0 = s0 /\ tC 0 = C0 /\ tW 0 = W0 /\ ascends g ts tC tW.

Example minimal_conserved_met g s0 C0 W0 : 0 < g <= 1 -> exists ts tC tW, ascends_from g s0 C0 W0 ts tC tW
  /\ forall t, 0 <= t -> law_W g (tW t) - g * ts t = law_W g W0 - g * s0.
Proof.
intro G. destruct (ascends_exists g s0 C0 W0 ltac:(lra)) as [ts [tC [tW F]]]. exists ts, tC, tW. split; [exact F|]. destruct F as [<- [_ [<- F]]].
apply (minimal_conserved g ts tC tW G F).
Qed.

Example minimal_increases_met g s0 C0 W0 : 0 < g < 1 -> exists ts tC tW, ascends_from g s0 C0 W0 ts tC tW
  /\ forall u v, 0 <= u < v -> law_C (tC u) - ts u < law_C (tC v) - ts v.
Proof.
intro G. destruct (ascends_exists g s0 C0 W0 ltac:(lra)) as [ts [tC [tW F]]]. exists ts, tC, tW. split; [exact F|]. destruct F as [_ [_ [_ F]]].
intros u v. apply (minimal_increases g ts tC tW ltac:(lra) F). lra.
Qed.

Example flow_limits_met g s0 C0 W0 : 0 < g <= 1 -> exists ts tC tW, ascends_from g s0 C0 W0 ts tC tW
  /\ is_lim (fun t => sigmoid (ts t)) p_infty 1 /\ is_lim (fun t => sigmoid (tW t)) p_infty 1.
Proof.
intro G. destruct (ascends_exists g s0 C0 W0 ltac:(lra)) as [ts [tC [tW F]]]. exists ts, tC, tW. split; [exact F|]. destruct F as [_ [_ [_ F]]].
destruct (flow_limits g ts tC tW G F) as [A [B _]]. split; assumption.
Qed.

Example share_tends_to_half_met g s0 C0 W0 : 0 < g <= 1 -> exists ts tC tW, ascends_from g s0 C0 W0 ts tC tW
  /\ let pi t := two (sigmoid (ts t)) (1 - sigmoid (ts t)) in let s t := two (sigmoid (tC t)) (1 - sigmoid (tW t)) in
     is_lim (fun t => decision_share 2 (pi 0) (s 0) (pi t) (s t) (Nat.eqb 0)) p_infty (1 / 2).
Proof.
intro G. destruct (ascends_exists g s0 C0 W0 ltac:(lra)) as [ts [tC [tW F]]]. exists ts, tC, tW. split; [exact F|]. destruct F as [_ [_ [_ F]]].
apply (share_tends_to_half g ts tC tW G F).
Qed.

Example rate_derive_met s0 C0 W0 : exists ts tC tW, ascends_from 1 s0 C0 W0 ts tC tW
  /\ let acc t := V3 1 (ts t) (tC t) (tW t) in
     forall t, 0 <= t -> is_derive (fun t => / (1 - acc t)) t (rate (acc t) (sigmoid (tC t)) (sigmoid (tW t))).
Proof.
destruct (ascends_exists 1 s0 C0 W0 ltac:(lra)) as [ts [tC [tW F]]]. exists ts, tC, tW. split; [exact F|]. destruct F as [_ [_ [_ F]]].
apply (rate_derive ts tC tW F).
Qed.

Example rate_tends_to_two_met s0 C0 W0 : exists ts tC tW, ascends_from 1 s0 C0 W0 ts tC tW
  /\ is_lim (fun t => (1 - V3 1 (ts t) (tC t) (tW t)) * (2 * t)) p_infty 1.
Proof.
destruct (ascends_exists 1 s0 C0 W0 ltac:(lra)) as [ts [tC [tW F]]]. exists ts, tC, tW. split; [exact F|]. destruct F as [_ [_ [_ F]]].
apply (rate_tends_to_two ts tC tW F).
Qed.
