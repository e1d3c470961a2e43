(* The optimum of reward and stage-weighted KL: a temperature per stage, one scalar equation, pinning. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Chain Gibbs.
Open Scope R_scope.

(* The soft maximum of Q at temperature T under the reference ref, and the policy that attains it. *)
Definition mass n (ref : nat -> R) T Q := Sum n (fun i => ref i * exp (Q i / T)).
Definition soft n ref T Q := T * ln (mass n ref T Q).
Definition tilt n ref T Q i := ref i * exp (Q i / T) / mass n ref T Q.
(* What a policy p gets in a stage: action values less the penalty. *)
Definition penalised n (ref : nat -> R) T Q p := Sum n (fun i => p i * (Q i - T * ln (p i / ref i))).

Section Stage.
Variables (n : nat) (ref : nat -> R) (T : R).
Hypothesis ref_pos : forall i, (i < n)%nat -> 0 < ref i.
Hypothesis ref_sum : Sum n ref = 1.
Hypothesis T_pos : 0 < T.

Lemma some_answer : (0 < n)%nat.
Proof. destruct n; [simpl in ref_sum; lra | lia]. Qed.

Lemma mass_pos Q : 0 < mass n ref T Q.
Proof. apply Sum_pos; [apply some_answer|]. intros i Hi. apply Rmult_lt_0_compat; [apply ref_pos, Hi | apply exp_pos]. Qed.

Lemma tilt_pos Q i : (i < n)%nat -> 0 < tilt n ref T Q i.
Proof.
intro Hi. apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat; [apply ref_pos, Hi | apply exp_pos] | apply mass_pos].
Qed.

Lemma tilt_sum Q : Sum n (tilt n ref T Q) = 1.
Proof.
unfold tilt. rewrite (Sum_ext n _ (fun i => ref i * exp (Q i / T) * / mass n ref T Q)) by reflexivity.
rewrite Sum_scal_r. fold (mass n ref T Q). field. apply Rgt_not_eq, mass_pos.
Qed.

(* The optimal probability is the reference's times exp of the soft advantage. *)
Lemma tilt_exp Q i : tilt n ref T Q i = ref i * exp ((Q i - soft n ref T Q) / T).
Proof.
unfold tilt, soft. replace ((Q i - T * ln (mass n ref T Q)) / T) with (Q i / T + - ln (mass n ref T Q)) by (field; lra).
rewrite exp_plus, exp_Ropp, exp_ln by apply mass_pos. unfold Rdiv. ring.
Qed.

(* E1 (and H2), one stage: what p gets is the soft maximum less T KL(p || tilt); *)
Theorem variational Q p : Sum n p = 1 -> (forall i, (i < n)%nat -> 0 <= p i) ->
  penalised n ref T Q p = soft n ref T Q - T * KL n p (tilt n ref T Q).
Proof.
intros H P. unfold penalised, KL.
rewrite (Sum_ext n (fun i => p i * ln (p i / tilt n ref T Q i))
  (fun i => p i * (soft n ref T Q / T) - / T * (p i * (Q i - T * ln (p i / ref i))))).
- rewrite Sum_minus, Sum_scal, Sum_scal_r, H. field. lra.
- intros i Hi. destruct (Rle_lt_or_eq_dec 0 (p i) (P i Hi)) as [L|<-]; [|ring]. pose proof (ref_pos i Hi). pose proof (tilt_pos Q i Hi).
  rewrite !ln_div by assumption. rewrite tilt_exp, ln_mult by (assumption || apply exp_pos). rewrite ln_exp. field. lra.
Qed.

(* so the optimum is the tilted reference and no other. *)
Theorem stage_optimum Q p : Sum n p = 1 -> (forall i, (i < n)%nat -> 0 <= p i) ->
  penalised n ref T Q p <= soft n ref T Q
  /\ (penalised n ref T Q p = soft n ref T Q <-> forall i, (i < n)%nat -> p i = tilt n ref T Q i).
Proof.
intros H P. rewrite variational by assumption.
destruct (gibbs n p (tilt n ref T Q) H (tilt_sum Q) P (tilt_pos Q)) as [G E]. split; [nra|]. rewrite <- E. split; intro; nra.
Qed.

Lemma tilt_nonneg Q i : (i < n)%nat -> 0 <= tilt n ref T Q i.
Proof. intro Hi. apply Rlt_le, tilt_pos, Hi. Qed.

Lemma stage_attained Q : penalised n ref T Q (tilt n ref T Q) = soft n ref T Q.
Proof. apply stage_optimum; [apply tilt_sum | apply tilt_nonneg | reflexivity]. Qed.

Lemma soft_le Q Q' c : (forall i, (i < n)%nat -> Q i <= Q' i + c) -> soft n ref T Q <= soft n ref T Q' + c.
Proof.
intro H. rewrite <- (stage_attained Q). set (p := tilt n ref T Q).
assert (X : penalised n ref T Q p <= penalised n ref T Q' p + c).
{ unfold penalised. replace c with (Sum n (fun i => p i * c)) by (rewrite Sum_scal_r; unfold p; rewrite tilt_sum; ring).
  rewrite <- Sum_plus. apply Sum_le. intros i Hi. pose proof (H i Hi). pose proof (tilt_pos Q i Hi). fold p in H1. nra. }
destruct (stage_optimum Q' p (tilt_sum Q) (tilt_nonneg Q)) as [Y _]. lra.
Qed.

Lemma soft_lt Q Q' c : (forall i, (i < n)%nat -> Q i < Q' i + c) -> soft n ref T Q < soft n ref T Q' + c.
Proof.
intro H. assert (M : mass n ref T Q < mass n ref T Q' * exp (c / T)).
{ unfold mass. rewrite <- Sum_scal_r. assert (L : forall i, (i < n)%nat -> ref i * exp (Q i / T) < ref i * exp (Q' i / T) * exp (c / T)).
  { intros i Hi. rewrite Rmult_assoc, <- exp_plus. apply Rmult_lt_compat_l; [apply ref_pos, Hi|]. apply exp_increasing.
    rewrite <- Rdiv_plus_distr. apply Rmult_lt_compat_r; [apply Rinv_0_lt_compat, T_pos | apply H, Hi]. }
  apply (Sum_lt_one n _ _ 0 some_answer); [apply L, some_answer | intros i Hi; apply Rlt_le, L, Hi]. }
assert (X : ln (mass n ref T Q) < ln (mass n ref T Q') + c / T).
{ rewrite <- (ln_exp (c / T)), <- ln_mult by (apply exp_pos || apply mass_pos). apply ln_increasing; [apply mass_pos | exact M]. }
unfold soft. assert (T * (c / T) = c) by (field; lra). nra.
Qed.

Lemma soft_const c : soft n ref T (fun _ => c) = c.
Proof.
unfold soft, mass. rewrite Sum_scal_r, ref_sum, Rmult_1_l, ln_exp. field. lra.
Qed.

Lemma soft_between Q lo hi : (forall i, (i < n)%nat -> lo <= Q i <= hi) -> lo <= soft n ref T Q <= hi.
Proof.
intro H. split.
- rewrite <- (soft_const lo), <- (Rplus_0_r (soft n ref T Q)). apply soft_le. intros i Hi. pose proof (H i Hi). lra.
- rewrite <- (soft_const hi), <- (Rplus_0_r (soft n ref T (fun _ => hi))). apply soft_le. intros i Hi. pose proof (H i Hi). lra.
Qed.

Lemma soft_below Q hi k : (forall i, (i < n)%nat -> Q i <= hi) -> (k < n)%nat -> Q k < hi -> soft n ref T Q < hi.
Proof.
intros H Hk L. rewrite <- (soft_const hi). unfold soft. apply Rmult_lt_compat_l; [exact T_pos|]. apply ln_increasing; [apply mass_pos|].
assert (I : 0 < / T) by (apply Rinv_0_lt_compat, T_pos). apply (Sum_lt_one n _ _ k Hk).
- apply Rmult_lt_compat_l; [apply ref_pos, Hk|]. apply exp_increasing, Rmult_lt_compat_r; assumption.
- intros i Hi. apply Rmult_le_compat_l; [apply Rlt_le, ref_pos, Hi|]. destruct (H i Hi) as [X | ->]; [|lra].
  apply Rlt_le, exp_increasing, Rmult_lt_compat_r; assumption.
Qed.

Lemma exp_second x : - (1 / 2) <= x <= 1 / 2 -> 0 <= exp x - 1 - x <= 2 * x ^ 2.
Proof.
intro H. pose proof (exp_ineq1_le x) as A. split; [lra|]. pose proof (exp_ineq1_le (- x)) as B. rewrite exp_Ropp in B.
pose proof (exp_pos x) as P. assert (I : exp x * / exp x = 1) by (field; lra). assert (C : exp x * (1 - x) <= 1) by nra.
assert (D : (1 + x + 2 * x ^ 2) * (1 - x) >= 1) by (ring_simplify; nra). nra.
Qed.

(* E2, any number of answers: with action values in [0, 1] sampling returns to the reference like 1/T. *)
Theorem pinning Q : (forall i, (i < n)%nat -> 0 <= Q i <= 1) -> 2 <= T -> forall i, (i < n)%nat ->
  exists r, tilt n ref T Q i - ref i = ref i * (Q i - soft n ref T Q) / T + r /\ 0 <= r <= 2 * ref i / T ^ 2.
Proof.
intros H T2 i Hi. set (x := (Q i - soft n ref T Q) / T). pose proof (soft_between Q 0 1 H) as B. pose proof (H i Hi) as A.
assert (I : 0 < / T <= / 2) by (split; [apply Rinv_0_lt_compat; lra | apply Rinv_le_contravar; lra]).
assert (X : - / T <= x <= / T) by (unfold x, Rdiv; split; nra).
pose proof (exp_second x ltac:(lra)) as E. pose proof (ref_pos i Hi) as P.
exists (ref i * (exp x - 1 - x)). split.
- rewrite tilt_exp. fold x. unfold x at 3. unfold Rdiv. ring.
- split; [apply Rmult_le_pos; lra|]. replace (2 * ref i / T ^ 2) with (ref i * (2 * (/ T) ^ 2)) by (field; lra).
  apply Rmult_le_compat_l; [lra|]. assert (x ^ 2 <= (/ T) ^ 2) by nra. lra.
Qed.

(* E2: in particular every probability is the reference's up to the factor 1 + 2/T. *)
Lemma pinned Q i : (forall i, (i < n)%nat -> 0 <= Q i <= 1) -> 2 <= T -> (i < n)%nat ->
  ref i * (1 - 2 / T) <= tilt n ref T Q i <= ref i * (1 + 2 / T).
Proof.
intros H T2 Hi. destruct (pinning Q H T2 i Hi) as [r [E R]]. pose proof (soft_between Q 0 1 H) as B. pose proof (H i Hi) as A.
pose proof (ref_pos i Hi) as P. assert (I : 0 < / T <= / 2) by (split; [apply Rinv_0_lt_compat; lra | apply Rinv_le_contravar; lra]).
replace (2 * ref i / T ^ 2) with (ref i * (2 * (/ T * / T))) in R by (field; lra).
assert (E' : tilt n ref T Q i = ref i * (1 + (Q i - soft n ref T Q) * / T) + r) by (unfold Rdiv in E; lra).
assert (Y : - / T <= (Q i - soft n ref T Q) * / T <= / T) by (split; nra).
assert (Z : 2 * (/ T * / T) <= / T) by nra. unfold Rdiv. rewrite E'. split; nra.
Qed.

(* The soft maximum exceeds the reference's mean by at most 2/T. *)
Lemma soft_mean Q : (forall i, (i < n)%nat -> 0 <= Q i <= 1) -> 2 <= T ->
  0 <= soft n ref T Q - Sum n (fun i => ref i * Q i) <= 2 / T.
Proof.
intros H T2. split.
- destruct (stage_optimum Q ref ref_sum (fun i Hi => Rlt_le _ _ (ref_pos i Hi))) as [X _]. unfold penalised in X.
  rewrite (Sum_ext n _ (fun i => ref i * Q i)) in X; [lra|]. intros i Hi. pose proof (ref_pos i Hi).
  replace (ref i / ref i) with 1 by (field; lra). rewrite ln_1. ring.
- rewrite <- (stage_attained Q). unfold penalised.
  destruct (gibbs n (tilt n ref T Q) ref (tilt_sum Q) ref_sum (tilt_nonneg Q) ref_pos) as [G _]. unfold KL in G.
  rewrite (Sum_ext n _ (fun i => tilt n ref T Q i * Q i - T * (tilt n ref T Q i * ln (tilt n ref T Q i / ref i)))) by (intros; ring).
  rewrite Sum_minus, Sum_scal.
  assert (S : Sum n (fun i => tilt n ref T Q i * Q i) <= Sum n (fun i => ref i * Q i + ref i * (2 / T))).
  { apply Sum_le. intros i Hi. destruct (pinned Q i H T2 Hi) as [_ U]. pose proof (H i Hi). pose proof (ref_pos i Hi).
    assert (0 < 2 / T) by (apply Rdiv_lt_0_compat; lra). assert (0 <= ref i * (2 / T)) by nra. nra. }
  rewrite Sum_plus, Sum_scal_r, ref_sum in S. nra.
Qed.
End Stage.

(* The chain: reference ref over answers and P(stop | y) = r y, rewards Rs and Rr, temperatures Ts and Td, discount g. *)
Section Chain.
Variables (n : nat) (ref r Rs Rr : nat -> R) (Ts Td g : R).
Hypothesis ref_pos : forall i, (i < n)%nat -> 0 < ref i.
Hypothesis ref_sum : Sum n ref = 1.
Hypothesis r_in : forall y, (y < n)%nat -> 0 < r y < 1.
Hypothesis Ts_pos : 0 < Ts.
Hypothesis Td_pos : 0 < Td.
Hypothesis discount : 0 <= g <= 1.

(* The two decisions of answer y, 0 to stop and 1 to resample, if a new turn is worth V. *)
Definition choices V y := two (Rs y) (Rr y + g * V).
Definition W V y := soft 2 (two (r y) (1 - r y)) Td (choices V y).
Definition Phi V := soft n ref Ts (W V).
(* What a stationary policy (p, s) gets, penalties included, if a new turn is worth V. *)
Definition turn p (s : nat -> R) V :=
  penalised n ref Ts (fun y => penalised 2 (two (r y) (1 - r y)) Td (choices V y) (two (s y) (1 - s y))) p.

Lemma two_pos x : 0 < x < 1 -> forall i, (i < 2)%nat -> 0 < two x (1 - x) i.
Proof. intros H [|i] _; simpl; lra. Qed.
Lemma two_nonneg x : 0 <= x <= 1 -> forall i, (i < 2)%nat -> 0 <= two x (1 - x) i.
Proof. intros H [|i] _; simpl; lra. Qed.
Lemma two_sum x : Sum 2 (two x (1 - x)) = 1.
Proof. simpl. ring. Qed.

Lemma W_le u v y c : (y < n)%nat -> 0 <= c -> u <= v + c -> W u y <= W v y + g * c.
Proof.
intros Hy C H. apply soft_le; [apply two_pos, r_in, Hy | apply two_sum | exact Td_pos |].
intros [|i] _; unfold choices; simpl; nra.
Qed.

Lemma Phi_le u v c : 0 <= c -> u <= v + c -> Phi u <= Phi v + g * c.
Proof. intros C H. apply soft_le; [exact ref_pos | exact ref_sum | exact Ts_pos |]. intros y Hy. apply W_le; assumption. Qed.

(* What a new turn is worth minus V falls strictly in V, without discount too, since some turns stop. *)
Lemma W_lt u v y : (y < n)%nat -> u < v -> W v y < W u y + (v - u).
Proof.
intros Hy L. pose proof (r_in y Hy) as R.
assert (M : mass 2 (two (r y) (1 - r y)) Td (choices v y) < mass 2 (two (r y) (1 - r y)) Td (choices u y) * exp ((v - u) / Td)).
{ unfold mass, choices; simpl. assert (E1 : 1 < exp ((v - u) / Td)).
  { rewrite <- exp_0 at 1. apply exp_increasing, Rdiv_lt_0_compat; lra. }
  assert (E2 : exp ((Rr y + g * v) / Td) <= exp ((Rr y + g * u) / Td) * exp ((v - u) / Td)).
  { rewrite <- exp_plus, <- Rdiv_plus_distr. assert (I : (Rr y + g * v) / Td <= (Rr y + g * u + (v - u)) / Td)
      by (apply Rmult_le_compat_r; [apply Rlt_le, Rinv_0_lt_compat, Td_pos | nra]).
    destruct I as [I | ->]; [apply Rlt_le, exp_increasing, I | lra]. }
  pose proof (exp_pos (Rs y / Td)). set (a := exp (Rs y / Td)) in *. set (e := exp ((v - u) / Td)) in *.
  assert (0 < r y * a * (e - 1)) by (repeat apply Rmult_lt_0_compat; lra).
  assert (0 <= (1 - r y) * (exp ((Rr y + g * u) / Td) * e - exp ((Rr y + g * v) / Td))) by (apply Rmult_le_pos; lra). lra. }
assert (P : forall w, 0 < mass 2 (two (r y) (1 - r y)) Td (choices w y)) by (intro; apply mass_pos; [apply two_pos, R | apply two_sum]).
assert (X : ln (mass 2 (two (r y) (1 - r y)) Td (choices v y)) < ln (mass 2 (two (r y) (1 - r y)) Td (choices u y)) + (v - u) / Td).
{ rewrite <- (ln_exp ((v - u) / Td)), <- ln_mult by (apply exp_pos || apply P). apply ln_increasing; [apply P | exact M]. }
unfold W, soft. assert (Td * ((v - u) / Td) = v - u) by (field; lra). nra.
Qed.

Lemma Phi_lt u v : u < v -> Phi v < Phi u + (v - u).
Proof. intro L. apply soft_lt; [exact ref_pos | exact ref_sum | exact Ts_pos |]. intros y Hy. apply W_lt; assumption. Qed.

(* E1: the soft Bellman equation is a contraction, *)
Theorem contraction u v : Rabs (Phi u - Phi v) <= g * Rabs (u - v).
Proof.
pose proof (Rabs_pos (u - v)) as P. pose proof (Rle_abs (u - v)). pose proof (Rle_abs (- (u - v))) as M. rewrite Rabs_Ropp in M.
pose proof (Phi_le u v (Rabs (u - v)) P ltac:(lra)). pose proof (Phi_le v u (Rabs (u - v)) P ltac:(lra)).
apply Rabs_le. lra.
Qed.

(* with discount it has exactly one solution, *)
Theorem soft_bellman_unique : g < 1 -> exists V, Phi V = V /\ forall U, Phi U = U -> U = V.
Proof.
intro G. set (f := fun V => Phi V - V). set (B := Rabs (Phi 0) / (1 - g)).
assert (HB : B * (1 - g) = Rabs (Phi 0)) by (unfold B; field; lra).
assert (B0 : 0 <= B) by (unfold B, Rdiv; apply Rmult_le_pos; [apply Rabs_pos | apply Rlt_le, Rinv_0_lt_compat; lra]).
pose proof (Rle_abs (Phi 0)). pose proof (Rle_abs (- Phi 0)) as M. rewrite Rabs_Ropp in M.
assert (F1 : f B <= 0) by (unfold f; pose proof (Phi_le B 0 B B0 ltac:(lra)); lra).
assert (F0 : 0 <= f (- B)) by (unfold f; pose proof (Phi_le 0 (- B) B B0 ltac:(lra)); lra).
assert (C : continuity f).
{ intros x eps E. exists (eps / 2). split; [lra|]. intros y [_ D]. simpl in *. unfold R_dist in *. unfold f.
  pose proof (contraction y x) as K. pose proof (Rabs_pos (y - x)).
  replace (Phi y - y - (Phi x - x)) with ((Phi y - Phi x) + - (y - x)) by ring.
  pose proof (Rabs_triang (Phi y - Phi x) (- (y - x))) as T. rewrite Rabs_Ropp in T. nra. }
destruct (IVT_cor f (- B) B C ltac:(lra) ltac:(nra)) as [V [_ HV]]. exists V. unfold f in HV. split; [lra|].
intros U HU. pose proof (contraction U V) as K. rewrite HU in K. replace (Phi V) with V in K by lra.
pose proof (Rabs_pos (U - V)). destruct (Req_dec (Rabs (U - V)) 0) as [Z|Z]; [|nra].
destruct (Req_dec (U - V) 0); [lra | exfalso; apply (Rabs_no_R0 (U - V)); assumption].
Qed.

Lemma turn_le p s J : Sum n p = 1 -> (forall y, (y < n)%nat -> 0 <= p y) -> (forall y, (y < n)%nat -> 0 <= s y <= 1) ->
  turn p s J <= Phi J.
Proof.
intros H P S. unfold turn, Phi. apply Rle_trans with (penalised n ref Ts (W J) p).
- unfold penalised at 1 3. apply Sum_le. intros y Hy. apply Rmult_le_compat_l; [apply P, Hy|].
  apply Rplus_le_compat_r. apply stage_optimum; [apply two_pos, r_in, Hy | apply two_sum | exact Td_pos | apply two_sum | apply two_nonneg, S, Hy].
- apply stage_optimum; assumption.
Qed.

(* which no stationary policy exceeds: J is what (p, s) gets for ever; *)
Theorem soft_bellman_optimal V p s J : g < 1 -> Phi V = V -> Sum n p = 1 -> (forall y, (y < n)%nat -> 0 <= p y) ->
  (forall y, (y < n)%nat -> 0 <= s y <= 1) -> J = turn p s J -> J <= V.
Proof.
intros G HV H P S HJ.
pose proof (turn_le p s J H P S) as A.
destruct (Rle_lt_dec J V) as [L|L]; [exact L|exfalso].
pose proof (Phi_le J V (J - V) ltac:(lra) ltac:(lra)). nra.
Qed.

(* and that the tilted reference attains: a temperature per stage. *)
Lemma turn_attained V : Phi V = turn (tilt n ref Ts (W V)) (fun y => tilt 2 (two (r y) (1 - r y)) Td (choices V y) 0) V.
Proof.
unfold turn, Phi. rewrite <- (stage_attained n ref Ts ref_pos ref_sum Ts_pos (W V)).
unfold penalised at 1 2. apply Sum_ext. intros y Hy. f_equal. f_equal. unfold W.
rewrite <- (stage_attained 2 _ Td (two_pos (r y) (r_in y Hy)) (two_sum (r y)) Td_pos (choices V y)).
set (q := tilt 2 (two (r y) (1 - r y)) Td (choices V y)).
assert (Q : q 1%nat = 1 - q 0%nat).
{ pose proof (tilt_sum 2 _ Td (two_pos (r y) (r_in y Hy)) (two_sum (r y)) (choices V y)) as X. fold q in X. simpl in X. lra. }
unfold penalised. simpl. rewrite Q. reflexivity.
Qed.

Theorem soft_bellman_attained V : Phi V = V ->
  V = turn (tilt n ref Ts (W V)) (fun y => tilt 2 (two (r y) (1 - r y)) Td (choices V y) 0) V.
Proof. intro HV. rewrite <- HV at 1. apply turn_attained. Qed.

(* The stop logit of the optimum is the reference's plus the difference of action values over Td. *)
Definition s_opt V y := tilt 2 (two (r y) (1 - r y)) Td (choices V y) 0.

(* An answer's worth is convex in V with slope g (1 - s_opt); and a larger V makes stops rarer. *)
Lemma W_slope u v y : (y < n)%nat -> W v y - W u y <= g * (1 - s_opt v y) * (v - u).
Proof.
intro Hy. set (q := two (r y) (1 - r y)). assert (Q : forall i, (i < 2)%nat -> 0 < q i) by (apply two_pos, r_in, Hy).
assert (S : Sum 2 q = 1) by apply two_sum. set (p := tilt 2 q Td (choices v y)).
assert (P : p 1%nat = 1 - s_opt v y) by (pose proof (tilt_sum 2 q Td Q S (choices v y)) as X; fold p in X; unfold s_opt; fold q p; simpl in X; lra).
destruct (stage_optimum 2 q Td Q S Td_pos (choices u y) p (tilt_sum 2 q Td Q S _) (tilt_nonneg 2 q Td Q S _)) as [X _].
unfold W. fold q. rewrite <- (stage_attained 2 q Td Q S Td_pos (choices v y)). fold p. rewrite <- P.
apply Rle_trans with (penalised 2 q Td (choices v y) p - penalised 2 q Td (choices u y) p); [lra|].
right. unfold penalised, choices; simpl. ring.
Qed.

Lemma s_opt_le u v y : (y < n)%nat -> u <= v -> s_opt v y <= s_opt u y.
Proof.
intros Hy L. pose proof (r_in y Hy) as R. unfold s_opt, tilt, mass, choices; simpl. pose proof (exp_pos (Rs y / Td)).
assert (E : exp ((Rr y + g * u) / Td) <= exp ((Rr y + g * v) / Td)).
{ assert (I : (Rr y + g * u) / Td <= (Rr y + g * v) / Td) by (apply Rmult_le_compat_r; [apply Rlt_le, Rinv_0_lt_compat, Td_pos | nra]).
  destruct I as [I | ->]; [apply Rlt_le, exp_increasing, I | lra]. }
assert (0 < r y * exp (Rs y / Td)) by (apply Rmult_lt_0_compat; lra).
assert (0 < (1 - r y) * exp ((Rr y + g * u) / Td)) by (apply Rmult_lt_0_compat; [lra | apply exp_pos]).
apply Rmult_le_compat_l; [lra|]. apply Rinv_le_contravar; [lra|]. apply Rplus_le_compat_l, Rmult_le_compat_l; lra.
Qed.

(* E2: whatever the weight of sampling, decisions are not pinned: their odds get the factor exp((R_stop - R_res - g V)/T_d). *)
Theorem s_opt_odds V y : (y < n)%nat ->
  0 < s_opt V y < 1 /\ s_opt V y / (1 - s_opt V y) = r y / (1 - r y) * exp ((Rs y - Rr y - g * V) / Td).
Proof.
intro Hy. pose proof (r_in y Hy) as R. unfold s_opt, tilt, mass, choices; simpl.
pose proof (exp_pos (Rs y / Td)) as A. pose proof (exp_pos ((Rr y + g * V) / Td)) as B.
replace ((Rs y - Rr y - g * V) / Td) with (Rs y / Td + - ((Rr y + g * V) / Td)) by (field; lra).
rewrite exp_plus, exp_Ropp. set (x := exp (Rs y / Td)) in *. set (z := exp ((Rr y + g * V) / Td)) in *. clearbody x z.
assert (C : 0 < r y * x) by (apply Rmult_lt_0_compat; lra). assert (D : 0 < (1 - r y) * z) by (apply Rmult_lt_0_compat; lra).
split; [split|].
- apply Rdiv_lt_0_compat; lra.
- apply Rmult_lt_reg_r with (0 + r y * x + (1 - r y) * z); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
- field. repeat split; lra.
Qed.
End Chain.

Example soft_bellman_attained_met : let fair := two (1 / 2) (1 / 2) in let Rs := two 1 0 in let Rr (_ : nat) := 0 in
  exists V, Phi 2 fair fair Rs Rr 1 1 (1 / 2) V = V
  /\ V = turn 2 fair fair Rs Rr 1 1 (1 / 2) (tilt 2 fair 1 (W fair Rs Rr 1 (1 / 2) V)) (fun y => s_opt fair Rs Rr 1 (1 / 2) V y) V.
Proof.
intros fair Rs Rr. assert (Rp : forall i, (i < 2)%nat -> 0 < fair i) by (intros [|i] _; simpl; lra). assert (Rq : Sum 2 fair = 1) by (simpl; field).
assert (Ri : forall y, (y < 2)%nat -> 0 < fair y < 1) by (intros [|i] _; simpl; lra).
destruct (soft_bellman_unique 2 fair fair Rs Rr 1 1 (1 / 2) Rp Rq Ri ltac:(lra) ltac:(lra) ltac:(lra) ltac:(lra)) as [V [HV _]].
exists V. split; [exact HV|]. apply (soft_bellman_attained 2 fair fair Rs Rr 1 1 (1 / 2) Rp Rq Ri ltac:(lra) ltac:(lra) V HV).
Qed.

(* A policy that stops at once earns what its answers are worth less its penalty. *)
Example soft_bellman_optimal_met : let fair := two (1 / 2) (1 / 2) in let Rs := two 1 0 in let Rr (_ : nat) := 0 in
  let payoff := turn 2 fair fair Rs Rr 1 1 (1 / 2) fair (fun _ => 1) in
  exists V J, Phi 2 fair fair Rs Rr 1 1 (1 / 2) V = V /\ J = payoff J /\ J <= V.
Proof.
intros fair Rs Rr payoff. assert (Rp : forall i, (i < 2)%nat -> 0 < fair i) by (intros [|i] _; simpl; lra). assert (Rq : Sum 2 fair = 1) by (simpl; field).
assert (Ri : forall y, (y < 2)%nat -> 0 < fair y < 1) by (intros [|i] _; simpl; lra).
destruct (soft_bellman_unique 2 fair fair Rs Rr 1 1 (1 / 2) Rp Rq Ri ltac:(lra) ltac:(lra) ltac:(lra) ltac:(lra)) as [V [HV _]].
assert (HJ : payoff 0 = payoff (payoff 0)) by (unfold payoff, turn, penalised, choices; simpl; ring).
exists V, (payoff 0). split; [exact HV|]. split; [exact HJ|].
apply (soft_bellman_optimal 2 fair fair Rs Rr 1 1 (1 / 2) Rp Rq Ri ltac:(lra) ltac:(lra) ltac:(lra) V fair (fun _ => 1) (payoff 0) ltac:(lra) HV Rq
  ltac:(intros [|i] _; simpl; lra) ltac:(intros; lra) HJ).
Qed.

(* With terminal rewards in [0, 1] all soft values lie there. *)
Lemma terminal_bounds n ref r Rs Ts Td g : (forall i, (i < n)%nat -> 0 < ref i) -> Sum n ref = 1 ->
  (forall y, (y < n)%nat -> 0 < r y < 1) -> 0 < Ts -> 0 < Td -> 0 <= g <= 1 -> (forall y, (y < n)%nat -> 0 <= Rs y <= 1) ->
  (forall u y, (y < n)%nat -> 0 <= u <= 1 -> 0 <= W r Rs (fun _ => 0) Td g u y <= 1)
  /\ (forall V, Phi n ref r Rs (fun _ => 0) Ts Td g V = V -> 0 <= V <= 1).
Proof.
intros Rp Rq Ri T0 Td0 G RR.
assert (Wb : forall u y, (y < n)%nat -> 0 <= u <= 1 -> 0 <= W r Rs (fun _ => 0) Td g u y <= 1).
{ intros u y Hy U. apply soft_between; [apply two_pos, Ri, Hy | apply two_sum | exact Td0 |].
  pose proof (RR y Hy). intros [|i] _; unfold choices; simpl; nra. }
split; [exact Wb|]. intros V HV.
assert (Plt : forall u v, u < v -> Phi n ref r Rs (fun _ => 0) Ts Td g v < Phi n ref r Rs (fun _ => 0) Ts Td g u + (v - u))
  by (intros; apply Phi_lt; assumption).
assert (Pb : forall u, 0 <= u <= 1 -> 0 <= Phi n ref r Rs (fun _ => 0) Ts Td g u <= 1).
{ intros u U. apply soft_between; [exact Rp | exact Rq | exact T0 |]. intros y Hy. apply Wb; assumption. }
split; apply Rnot_lt_le; intro L.
- pose proof (Plt V 0 L). pose proof (Pb 0 ltac:(lra)). lra.
- pose proof (Plt 1 V L). pose proof (Pb 1 ltac:(lra)). lra.
Qed.

(* E2, E2-limit for terminal rewards in [0, 1]: V lies in [0, 1]; it exceeds the value V0 of the problem in which sampling is frozen at
   the reference by at most 2/(Ts (1 - g (1 - m))), m > 0 what frozen sampling stops at if a new turn is worth 1, so without discount too;
   that is at most 2/(Ts (1 - g)) with one; and decisions' logits are off by at most g/Td of that. *)
Definition frozen n ref r Rs Td g V := Sum n (fun y => ref y * W r Rs (fun _ => 0) Td g V y).

(* What rises by less than its argument does, and stays in [0, 1] there, has exactly one fixed point, which lies there. *)
Lemma fixed_once F : (forall u v, u < v -> F u <= F v < F u + (v - u)) -> 0 <= F 0 -> F 1 <= 1 ->
  exists V : R, F V = V /\ forall U, F U = U -> U = V.
Proof.
intros H F0 F1. assert (C : continuity (fun V => F V - V)).
{ intros x eps E. exists eps. split; [exact E|]. intros y [_ D]. simpl in *. unfold R_dist in *.
  destruct (Rtotal_order y x) as [L|[->|L]]; [pose proof (H y x L) as X | rewrite Rminus_eq_0, Rabs_R0; exact E | pose proof (H x y L) as X];
    apply Rabs_def2 in D; apply Rabs_def1; lra. }
destruct (IVT_cor (fun V => F V - V) 0 1 C ltac:(lra) ltac:(nra)) as [V [_ Z]]. exists V. split; [lra|]. intros U HU.
destruct (Rtotal_order U V) as [L|[E|L]]; [pose proof (H U V L); lra | exact E | pose proof (H V U L); lra].
Qed.

(* The optimum exists without discount, too, and so does its value if sampling is frozen: exactly one of each. *)
Theorem terminal_unique n ref r Rs Ts Td g : (forall i, (i < n)%nat -> 0 < ref i) -> Sum n ref = 1 -> (forall y, (y < n)%nat -> 0 < r y < 1) ->
  0 < Ts -> 0 < Td -> 0 <= g <= 1 -> (forall y, (y < n)%nat -> 0 <= Rs y <= 1) ->
  exists V, Phi n ref r Rs (fun _ => 0) Ts Td g V = V /\ forall U, Phi n ref r Rs (fun _ => 0) Ts Td g U = U -> U = V.
Proof.
intros Rp Rq Ri T0 Td0 G RR. destruct (terminal_bounds n ref r Rs Ts Td g Rp Rq Ri T0 Td0 G RR) as [Wb _]. apply fixed_once.
- intros u v L. split; [|apply Phi_lt; assumption].
  pose proof (Phi_le n ref r Rs (fun _ => 0) Ts Td g Rp Rq Ri T0 Td0 G u v 0 ltac:(lra) ltac:(lra)). lra.
- apply (soft_between n ref Ts Rp Rq T0 _ 0 1). intros y Hy. apply Wb; [exact Hy | lra].
- apply (soft_between n ref Ts Rp Rq T0 _ 0 1). intros y Hy. apply Wb; [exact Hy | lra].
Qed.

Theorem frozen_unique n ref r Rs Td g : (forall i, (i < n)%nat -> 0 < ref i) -> Sum n ref = 1 -> (forall y, (y < n)%nat -> 0 < r y < 1) ->
  0 < Td -> 0 <= g <= 1 -> (forall y, (y < n)%nat -> 0 <= Rs y <= 1) ->
  exists V, frozen n ref r Rs Td g V = V /\ forall U, frozen n ref r Rs Td g U = U -> U = V.
Proof.
intros Rp Rq Ri Td0 G RR. destruct (terminal_bounds n ref r Rs 1 Td g Rp Rq Ri ltac:(lra) Td0 G RR) as [Wb _].
assert (Hn : (0 < n)%nat) by (apply (some_answer n ref); assumption).
assert (Fb : forall u, 0 <= u <= 1 -> 0 <= frozen n ref r Rs Td g u <= 1).
{ intros u U. apply mean_between; [exact Rq | intros; apply Rlt_le, Rp; assumption |]. intros y Hy. apply Wb; assumption. }
apply fixed_once; [|apply Fb; lra | apply Fb; lra]. intros u v L. split.
- apply Sum_le. intros y Hy. apply Rmult_le_compat_l; [apply Rlt_le, Rp, Hy|].
  pose proof (W_le n r Rs (fun _ => 0) Td g Ri Td0 G u v y 0 Hy ltac:(lra) ltac:(lra)). lra.
- replace (v - u) with (Sum n (fun y => ref y * (v - u))) by (rewrite Sum_scal_r, Rq; ring). unfold frozen. rewrite <- Sum_plus.
  assert (X : forall y, (y < n)%nat -> ref y * W r Rs (fun _ => 0) Td g v y < ref y * W r Rs (fun _ => 0) Td g u y + ref y * (v - u)).
  { intros y Hy. pose proof (W_lt n r Rs (fun _ => 0) Td g Ri Td0 G u v y Hy L). pose proof (Rp y Hy). nra. }
  apply (Sum_lt_one n _ _ 0 Hn); [apply X, Hn | intros y Hy; apply Rlt_le, X, Hy].
Qed.

Theorem frozen_limit n ref r Rs Ts Td g V V0 : (forall i, (i < n)%nat -> 0 < ref i) -> Sum n ref = 1 ->
  (forall y, (y < n)%nat -> 0 < r y < 1) -> 2 <= Ts -> 0 < Td -> 0 <= g <= 1 -> (forall y, (y < n)%nat -> 0 <= Rs y <= 1) ->
  Phi n ref r Rs (fun _ => 0) Ts Td g V = V -> frozen n ref r Rs Td g V0 = V0 ->
  let m := Sum n (fun y => ref y * s_opt r Rs (fun _ => 0) Td g 1 y) in
  0 <= V <= 1 /\ 0 <= V0 <= 1 /\ 0 < m < 1 /\ 0 <= V - V0 <= 2 / (Ts * (1 - g * (1 - m))) /\ (g < 1 -> V - V0 <= 2 / (Ts * (1 - g))).
Proof.
intros Rp Rq Ri T2 Td0 G RR HV H0 m. set (w := W r Rs (fun _ => 0) Td g). set (F := frozen n ref r Rs Td g) in *.
destruct (terminal_bounds n ref r Rs Ts Td g Rp Rq Ri ltac:(lra) Td0 G RR) as [Wb Vb]. pose proof (Vb V HV) as VB. clear Vb.
assert (Hn : (0 < n)%nat) by (apply (some_answer n ref); assumption).
assert (Flt : forall u v, u < v -> F v < F u + (v - u)).
{ intros u v L. replace (v - u) with (Sum n (fun y => ref y * (v - u))) by (rewrite Sum_scal_r, Rq; ring). unfold F, frozen.
  rewrite <- Sum_plus. assert (X : forall y, (y < n)%nat -> ref y * w v y < ref y * w u y + ref y * (v - u)).
  { intros y Hy. pose proof (W_lt n r Rs (fun _ => 0) Td g Ri Td0 G u v y Hy L) as X. pose proof (Rp y Hy). fold w in X. nra. }
  apply (Sum_lt_one n _ _ 0 Hn); [apply X, Hn | intros y Hy; apply Rlt_le, X, Hy]. }
assert (Fb : forall u, 0 <= u <= 1 -> 0 <= F u <= 1).
{ intros u U. apply mean_between; [exact Rq | intros; apply Rlt_le, Rp; assumption |]. intros y Hy. apply Wb; assumption. }
assert (VB0 : 0 <= V0 <= 1).
{ split; apply Rnot_lt_le; intro L.
  - pose proof (Flt V0 0 L). pose proof (Fb 0 ltac:(lra)). lra.
  - pose proof (Flt 1 V0 L). pose proof (Fb 1 ltac:(lra)). lra. }
assert (S : forall y, (y < n)%nat -> 0 < s_opt r Rs (fun _ => 0) Td g 1 y < 1) by (intros y Hy; apply (s_opt_odds n); assumption).
assert (M : 0 < m < 1).
{ split; [apply Sum_pos; [exact Hn|]; intros y Hy; apply Rmult_lt_0_compat; [apply Rp, Hy | apply S, Hy]|].
  rewrite <- Rq. assert (X : forall y, (y < n)%nat -> ref y * s_opt r Rs (fun _ => 0) Td g 1 y < ref y)
    by (intros y Hy; pose proof (S y Hy); pose proof (Rp y Hy); nra).
  apply (Sum_lt_one n _ _ 0 Hn); [apply X, Hn | intros y Hy; apply Rlt_le, X, Hy]. }
split; [exact VB|]. split; [exact VB0|]. split; [exact M|].
pose proof (soft_mean n ref Ts Rp Rq ltac:(lra) (w V) ltac:(intros; apply Wb; assumption) T2) as D.
change (0 <= Phi n ref r Rs (fun _ => 0) Ts Td g V - F V <= 2 / Ts) in D. rewrite HV in D.
assert (D0 : 0 <= V - V0) by (apply Rnot_lt_le; intro L; pose proof (Flt V V0 ltac:(lra)); lra).
assert (SL : F V - F V0 <= g * (1 - m) * (V - V0)).
{ replace (g * (1 - m) * (V - V0)) with (Sum n (fun y => ref y * (g * (V - V0)) - ref y * s_opt r Rs (fun _ => 0) Td g 1 y * (g * (V - V0))))
    by (rewrite Sum_minus, !Sum_scal_r, Rq; unfold m; ring).
  unfold F, frozen. rewrite <- Sum_minus. apply Sum_le. intros y Hy.
  pose proof (W_slope n r Rs (fun _ => 0) Td g Ri Td0 V0 V y Hy) as X. pose proof (s_opt_le n r Rs (fun _ => 0) Td g Ri Td0 G V 1 y Hy ltac:(lra)) as Y.
  pose proof (Rp y Hy). assert (0 <= g * (V - V0)) by (apply Rmult_le_pos; lra). fold w in X.
  set (a := s_opt r Rs (fun _ => 0) Td g V y) in *. set (b := s_opt r Rs (fun _ => 0) Td g 1 y) in *. set (k := g * (V - V0)) in *.
  assert (K : b * k <= a * k) by (apply Rmult_le_compat_r; assumption).
  assert (Z : w V y - w V0 y <= k - b * k) by (replace (g * (1 - a) * (V - V0)) with (k - a * k) in X by (unfold k; ring); lra).
  pose proof (Rmult_le_compat_l (ref y) _ _ ltac:(lra) Z). fold w. lra. }
assert (B : forall k, 0 < k -> (V - V0) * k <= 2 / Ts -> V - V0 <= 2 / (Ts * k)).
{ intros k K H. apply Rmult_le_reg_r with k; [exact K|]. replace (2 / (Ts * k) * k) with (2 / Ts) by (field; lra). exact H. }
assert (GM : 0 <= g * m * (V - V0)) by (repeat apply Rmult_le_pos; lra).
split; [split; [exact D0|]|intro G1]; apply B; [nra | lra | lra | lra].
Qed.

Example frozen_limit_met n ref r Rs Ts Td g : (forall i, (i < n)%nat -> 0 < ref i) -> Sum n ref = 1 ->
  (forall y, (y < n)%nat -> 0 < r y < 1) -> 2 <= Ts -> 0 < Td -> 0 <= g < 1 -> (forall y, (y < n)%nat -> 0 <= Rs y <= 1) ->
  exists V V0, Phi n ref r Rs (fun _ => 0) Ts Td g V = V /\ frozen n ref r Rs Td g V0 = V0 /\ 0 <= V - V0 <= 2 / (Ts * (1 - g)).
Proof.
intros Rp Rq Ri T2 Td0 G RR. destruct (terminal_unique n ref r Rs Ts Td g Rp Rq Ri ltac:(lra) Td0 ltac:(lra) RR) as [V [HV _]].
destruct (frozen_unique n ref r Rs Td g Rp Rq Ri Td0 ltac:(lra) RR) as [V0 [H0 _]]. exists V, V0. split; [exact HV|]. split; [exact H0|].
destruct (frozen_limit n ref r Rs Ts Td g V V0 Rp Rq Ri T2 Td0 ltac:(lra) RR HV H0) as [_ [_ [_ [[L _] B]]]]. split; [exact L | apply B; lra].
Qed.

(* E2, terminal accuracy with any number of answers: whatever the weight of sampling, the odds of stopping rise at right answers by at
   least the factor exp((1 - g)/T_d), and rise without discount too if wrong answers exist; they fall at wrong ones by at least
   exp(g V0/T_d), V0 > 0 the value with sampling frozen. *)
Theorem not_pinned n ref r (c : nat -> R) Ts Td g V V0 : (forall i, (i < n)%nat -> 0 < ref i) -> Sum n ref = 1 ->
  (forall y, (y < n)%nat -> 0 < r y < 1) -> 2 <= Ts -> 0 < Td -> 0 <= g <= 1 -> (forall y, (y < n)%nat -> c y = 0 \/ c y = 1) ->
  (exists y, (y < n)%nat /\ c y = 1) ->
  Phi n ref r c (fun _ => 0) Ts Td g V = V -> frozen n ref r c Td g V0 = V0 ->
  0 < V0 /\ forall y, (y < n)%nat -> let s := s_opt r c (fun _ => 0) Td g V y in
    (c y = 1 -> s / (1 - s) >= r y / (1 - r y) * exp ((1 - g) / Td)
      /\ (g < 1 \/ (exists w, (w < n)%nat /\ c w = 0) -> s / (1 - s) > r y / (1 - r y)))
    /\ (c y = 0 -> s / (1 - s) <= r y / (1 - r y) * exp (- (g * V0) / Td)).
Proof.
intros Rp Rq Ri T2 Td0 G C [k [Hk Ck]] HV H0.
assert (CB : forall y, (y < n)%nat -> 0 <= c y <= 1) by (intros y Hy; destruct (C y Hy); lra).
destruct (frozen_limit n ref r c Ts Td g V V0 Rp Rq Ri T2 Td0 G CB HV H0) as [VB [VB0 [_ [[LE _] _]]]].
destruct (terminal_bounds n ref r c Ts Td g Rp Rq Ri ltac:(lra) Td0 G CB) as [Wb _].
assert (P0 : 0 < V0).
{ rewrite <- H0. unfold frozen. apply (Sum_pos_one n _ k Hk).
  - apply Rmult_lt_0_compat; [apply Rp, Hk|].
    apply Rlt_le_trans with (Sum 2 (fun i => two (r k) (1 - r k) i * choices c (fun _ => 0) g V0 k i)).
    + unfold choices; simpl. rewrite Ck. pose proof (Ri k Hk).
      assert (0 <= (1 - r k) * (g * V0)) by (apply Rmult_le_pos; [lra | apply Rmult_le_pos; lra]). lra.
    + destruct (stage_optimum 2 (two (r k) (1 - r k)) Td (two_pos (r k) (Ri k Hk)) (two_sum (r k)) Td0
        (choices c (fun _ => 0) g V0 k) (two (r k) (1 - r k)) (two_sum (r k)) (two_nonneg (r k) ltac:(pose proof (Ri k Hk); lra))) as [X _].
      unfold penalised in X. rewrite (Sum_ext 2 _ (fun i => two (r k) (1 - r k) i * choices c (fun _ => 0) g V0 k i)) in X; [exact X|].
      intros i Hi. pose proof (two_pos (r k) (Ri k Hk) i Hi). replace (two (r k) (1 - r k) i / two (r k) (1 - r k) i) with 1 by (field; lra).
      rewrite ln_1. ring.
  - intros y Hy. apply Rmult_le_pos; [apply Rlt_le, Rp, Hy | apply Wb; assumption]. }
(* Some mass is on wrong answers, so V < 1, even without discount. *)
assert (V1 : (exists w, (w < n)%nat /\ c w = 0) -> V < 1).
{ intros [w [Hw Cw]]. rewrite <- HV. apply (soft_below n ref Ts Rp Rq ltac:(lra) _ 1 w); [intros y Hy; apply Wb; assumption | exact Hw|].
  apply (soft_below 2 _ Td (two_pos (r w) (Ri w Hw)) (two_sum (r w)) Td0 _ 1 0); [|lia|]; unfold choices; simpl.
  - intros [|i] _; simpl; [rewrite Cw; lra | nra].
  - rewrite Cw. lra. }
split; [exact P0|]. intros y Hy s. destruct (s_opt_odds n r c (fun _ => 0) Td g Ri Td0 V y Hy) as [_ E]. fold s in E. rewrite E.
pose proof (Ri y Hy) as R. assert (O : 0 < r y / (1 - r y)) by (apply Rdiv_lt_0_compat; lra).
assert (I : 0 < / Td) by (apply Rinv_0_lt_compat, Td0).
assert (M : forall u v, u <= v -> exp (u / Td) <= exp (v / Td)).
{ intros u v L. destruct L as [L | ->]; [apply Rlt_le, exp_increasing, Rmult_lt_compat_r; assumption | lra]. }
split; intro Cy; rewrite Cy; [split|].
- apply Rle_ge, Rmult_le_compat_l; [lra | apply M; nra].
- intro A. assert (L : g * V < 1) by (destruct A as [A|A]; [nra | pose proof (V1 A); nra]).
  assert (X : 1 < exp ((1 - 0 - g * V) / Td)) by (rewrite <- exp_0 at 1; apply exp_increasing, Rdiv_lt_0_compat; lra).
  pose proof (Rmult_lt_compat_l _ _ _ O X). lra.
- apply Rmult_le_compat_l; [lra | apply M; nra].
Qed.

Example not_pinned_met Ts g : 2 <= Ts -> 0 <= g <= 1 -> let ref := two (1 / 2) (1 / 2) in let c := two 1 0 in exists V V0,
  Phi 2 ref ref c (fun _ => 0) Ts 1 g V = V /\ frozen 2 ref ref c 1 g V0 = V0 /\ 0 < V0
  /\ let s := s_opt ref c (fun _ => 0) 1 g V in s 0%nat / (1 - s 0%nat) > 1 / 2 / (1 - 1 / 2) /\ s 1%nat / (1 - s 1%nat) <= 1 / 2 / (1 - 1 / 2) * exp (- (g * V0) / 1).
Proof.
intros T2 G ref c. assert (Rp : forall i, (i < 2)%nat -> 0 < ref i) by (intros [|i] _; simpl; lra). assert (Rq : Sum 2 ref = 1) by (simpl; field).
assert (Ri : forall y, (y < 2)%nat -> 0 < ref y < 1) by (intros [|i] _; simpl; lra).
assert (RR : forall y, (y < 2)%nat -> 0 <= c y <= 1) by (intros [|i] _; simpl; lra).
destruct (terminal_unique 2 ref ref c Ts 1 g Rp Rq Ri ltac:(lra) ltac:(lra) G RR) as [V [HV _]].
destruct (frozen_unique 2 ref ref c 1 g Rp Rq Ri ltac:(lra) G RR) as [V0 [H0 _]]. exists V, V0. split; [exact HV|]. split; [exact H0|].
destruct (not_pinned 2 ref ref c Ts 1 g V V0 Rp Rq Ri T2 ltac:(lra) G ltac:(intros [|i] _; [right | left]; reflexivity)
  ltac:(exists 0%nat; split; [lia | reflexivity]) HV H0) as [P N].
split; [exact P|]. split.
- apply (N 0%nat); [lia | reflexivity | right; exists 1%nat; split; [lia | reflexivity]].
- apply (N 1%nat); [lia | reflexivity].
Qed.
