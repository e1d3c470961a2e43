(* F1-delay: a flow whose field is clipped to a length runs through the same curve, later; how much later, in general and for SFT. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Policies Picard Lipschitz Chain Accuracy Imitation Training Ascent.
Open Scope R_scope.

(* The length of a vector of n components; the vector, shortened to the length c if it is longer; the factor by which it is shortened. *)
Definition norm n (g : nat -> R) := sqrt (Sum n (fun i => g i ^ 2)).
Definition clip c n (g : nat -> R) i := Rmin 1 (c / norm n g) * g i.
Definition pace c n (g : nat -> R) := c / Rmax c (norm n g).

Lemma norm_pos n g : 0 <= norm n g.
Proof. apply sqrt_pos. Qed.

Lemma norm_square n g : norm n g ^ 2 = Sum n (fun i => g i ^ 2).
Proof. apply pow2_sqrt, Sum_nonneg. intros; apply pow2_ge_0. Qed.

Lemma norm_step n g : norm (S n) g = sqrt (norm n g ^ 2 + g n ^ 2).
Proof. unfold norm at 1. simpl Sum. rewrite norm_square. reflexivity. Qed.

Lemma norm_component n g i : (i < n)%nat -> Rabs (g i) <= norm n g.
Proof.
intro Hi. rewrite <- sqrt_Rsqr_abs. apply sqrt_le_1_alt. unfold Rsqr. replace (g i * g i) with (g i ^ 2) by ring.
apply (term_below n (fun i => g i ^ 2)); [intros; apply pow2_ge_0 | exact Hi].
Qed.

Lemma norm_triangle n g h : norm n g <= norm n h + Sum n (fun i => Rabs (g i - h i)).
Proof.
induction n as [|n I]; [unfold norm; simpl; lra|]. rewrite !norm_step. cbn [Sum].
pose proof (norm_pos n g) as A. pose proof (norm_pos n h) as B. set (d := Sum n (fun i => Rabs (g i - h i))) in *.
assert (D : 0 <= d) by (apply Sum_nonneg; intros; apply Rabs_pos). set (e := Rabs (g n - h n)). assert (E : 0 <= e) by apply Rabs_pos.
assert (G : Rabs (g n) <= Rabs (h n) + e).
{ unfold e. replace (g n) with (h n + (g n - h n)) at 1 by ring. apply Rabs_triang. }
assert (S : norm n h <= sqrt (norm n h ^ 2 + h n ^ 2) /\ Rabs (h n) <= sqrt (norm n h ^ 2 + h n ^ 2)).
{ split; [rewrite <- (sqrt_pow2 (norm n h)) at 1 by exact B | rewrite <- sqrt_Rsqr_abs]; apply sqrt_le_1_alt; unfold Rsqr; nra. }
assert (Q : sqrt (norm n h ^ 2 + h n ^ 2) ^ 2 = norm n h ^ 2 + h n ^ 2) by (apply pow2_sqrt; nra).
set (r := sqrt (norm n h ^ 2 + h n ^ 2)) in *. clearbody r. replace (r + (d + e)) with (sqrt ((r + (d + e)) ^ 2)) by (apply sqrt_pow2; lra).
apply sqrt_le_1_alt. assert (g n ^ 2 = Rabs (g n) ^ 2) as -> by (symmetry; apply pow2_abs). assert (h n ^ 2 = Rabs (h n) ^ 2) as X by (symmetry; apply pow2_abs).
rewrite X in Q. pose proof (Rabs_pos (g n)). pose proof (Rabs_pos (h n)). set (a := Rabs (g n)) in *. set (b := Rabs (h n)) in *. clearbody a b e d.
assert (norm n g ^ 2 <= (norm n h + d) ^ 2) by (apply pow_incr; lra). assert (a ^ 2 <= (b + e) ^ 2) by (apply pow_incr; lra).
assert (norm n h * d <= r * d) by (apply Rmult_le_compat_r; lra). assert (b * e <= r * e) by (apply Rmult_le_compat_r; lra).
assert (0 <= d * e) by (apply Rmult_le_pos; assumption). nra.
Qed.

Lemma norm_sizes n g : norm n g <= Sum n (fun i => Rabs (g i)).
Proof.
apply Rle_trans with (1 := norm_triangle n g (fun _ => 0)). rewrite (Sum_ext n (fun i => Rabs (g i - 0)) (fun i => Rabs (g i))) by (intros; f_equal; ring).
unfold norm. rewrite (Sum_zero n (fun _ => 0 ^ 2)) by (intros; ring). rewrite sqrt_0. lra.
Qed.

Lemma clip_pace c n g i : 0 < c -> (i < n)%nat -> clip c n g i = pace c n g * g i.
Proof.
intros C Hi. unfold clip, pace. pose proof (norm_pos n g) as [N|N].
- unfold Rmin, Rmax. destruct (Rle_dec 1 (c / norm n g)) as [A|A], (Rle_dec c (norm n g)) as [B|B]; try reflexivity.
  + assert (norm n g <= c); [|replace (norm n g) with c by lra; field; lra].
    apply Rmult_le_compat_r with (r := norm n g) in A; [|lra]. unfold Rdiv in A. rewrite Rmult_assoc, Rinv_l in A by lra. lra.
  + field. lra.
  + exfalso. apply A. apply Rmult_le_reg_r with (norm n g); [exact N|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
- pose proof (norm_component n g i Hi) as Z. rewrite <- N in Z. pose proof (Rabs_pos (g i)).
  assert (g i = 0) as ->; [|ring]. destruct (Req_dec (g i) 0) as [E|E]; [exact E | pose proof (Rabs_pos_lt _ E); lra].
Qed.

Lemma pace_in c n g : 0 < c -> 0 < pace c n g <= 1.
Proof.
intro C. pose proof (Rmax_l c (norm n g)) as L. unfold pace. split; [apply Rdiv_lt_0_compat; lra|].
apply Rmult_le_reg_r with (Rmax c (norm n g)); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.

Lemma pace_norm c n g : 0 < c -> pace c n g * norm n g <= c.
Proof.
intro C. pose proof (pace_in c n g C) as P. pose proof (Rmax_l c (norm n g)). pose proof (Rmax_r c (norm n g)).
apply Rle_trans with (pace c n g * Rmax c (norm n g)); [apply Rmult_le_compat_l; lra|]. unfold pace. right. field. lra.
Qed.

Lemma clip_bound c n g i : 0 < c -> (i < n)%nat -> Rabs (clip c n g i) <= c.
Proof.
intros C Hi. rewrite clip_pace by assumption. pose proof (pace_in c n g C) as P. rewrite Rabs_mult, (Rabs_pos_eq (pace c n g)) by lra.
apply Rle_trans with (2 := pace_norm c n g C). apply Rmult_le_compat_l; [lra | apply norm_component, Hi].
Qed.

Section Clipped.
Variables (n : nat) (F : (nat -> R) -> nat -> R) (M c : R).
Hypothesis threshold : 0 < c.
Hypothesis field : forall i, (i < n)%nat -> tame n (fun z => F z i).
Hypothesis bounded : forall z i, (i < n)%nat -> Rabs (F z i) <= M.

Lemma norm_bounded z : norm n (F z) <= INR n * M.
Proof. apply Rle_trans with (1 := norm_sizes n (F z)). rewrite <- Sum_const. apply Sum_le. intros; apply bounded; assumption. Qed.

Lemma tame_norm : tame n (fun z => norm n (F z)).
Proof.
intro K. destruct (tame_field n F n field K) as [L [L0 H]]. pose proof (norm_bounded (fun _ => 0)) as B0. pose proof (norm_pos n (F (fun _ => 0))).
exists (INR n * M), (INR n * L). split; [lra|]. split; [apply Rmult_le_pos; [apply pos_INR | exact L0]|]. intros x y X Y. split.
- rewrite Rabs_pos_eq by apply norm_pos. apply norm_bounded.
- assert (D : forall x y, box n K x -> box n K y -> Sum n (fun i => Rabs (F x i - F y i)) <= INR n * L * distance n x y).
  { intros x' y' X' Y'. rewrite Rmult_assoc, <- Sum_const. apply Sum_le. intros i Hi. apply H; assumption. }
  pose proof (norm_triangle n (F x) (F y)). pose proof (norm_triangle n (F y) (F x)). pose proof (D x y X Y). pose proof (D y x Y X) as S.
  rewrite distance_sym in S. apply Rabs_le. lra.
Qed.

Lemma tame_pace : tame n (fun z => pace c n (F z)).
Proof.
apply tame_div; [apply tame_const | |].
- apply (tame_comp n (Rmax c) (fun z => norm n (F z))); [|exact tame_norm]. intros B B0. exists (c + B), 1. split; [lra|]. split; [lra|]. intros u v U V.
  apply Rabs_le_between in U. apply Rabs_le_between in V. split.
  + apply Rabs_le. unfold Rmax. destruct (Rle_dec c u); lra.
  + rewrite Rmult_1_l. unfold Rmax. destruct (Rle_dec c u), (Rle_dec c v); unfold Rabs; repeat destruct Rcase_abs; lra.
- apply above_zero_le with (fun _ => c); [intro; apply Rmax_l | apply above_zero_const, threshold].
Qed.

Lemma tame_clip i : (i < n)%nat -> tame n (fun z => clip c n (F z) i).
Proof.
intro Hi. apply tame_ext with (fun z => pace c n (F z) * F z i); [intro z; apply clip_pace; assumption|]. apply tame_mult; [exact tame_pace | apply field, Hi].
Qed.

(* Clipped curves exist. *)
Lemma clipped_exists x0 : exists y, follows n (fun z => clip c n (F z)) x0 y.
Proof. destruct (tame_flow n (fun z => clip c n (F z)) c x0 tame_clip) as [y [Y _]]; [intros; apply clip_bound; assumption | exists y; exact Y]. Qed.

Variables (x0 : nat -> R) (x y : R -> nat -> R).
Hypothesis unclipped : follows n F x0 x.
Hypothesis clipped : follows n (fun z => clip c n (F z)) x0 y.

Lemma unclipped_slow : slow n (Rabs M) x0 x.
Proof.
destruct unclipped as [Z D]. apply slopes_slow with (fun t => F (x t)); [exact Z | exact D|]. intros t i Hi.
apply Rle_trans with M; [apply bounded, Hi | apply Rle_abs].
Qed.

Lemma tame_along f : tame n f -> tame 1 (fun v => f (x (v 0%nat))).
Proof.
intros T K. pose proof unclipped_slow as S. destruct (T (Sum n (fun i => Rabs (x0 i)) + Rabs M * K)) as [B [L [B0 [L0 H]]]].
exists B, (L * (INR n * Rabs M)). assert (N : 0 <= INR n * Rabs M) by (apply Rmult_le_pos; [apply pos_INR | apply Rabs_pos]).
split; [exact B0|]. split; [apply Rmult_le_pos; assumption|]. intros u v U V.
assert (XU : box n (Sum n (fun i => Rabs (x0 i)) + Rabs M * K) (x (u 0%nat))) by (apply (slow_box n (Rabs M) (Rabs_pos M) x0); [exact S | apply U; lia]).
assert (XV : box n (Sum n (fun i => Rabs (x0 i)) + Rabs M * K) (x (v 0%nat))) by (apply (slow_box n (Rabs M) (Rabs_pos M) x0); [exact S | apply V; lia]).
destruct (H _ _ XU XV) as [P Q]. split; [exact P|]. apply Rle_trans with (1 := Q). rewrite Rmult_assoc. apply Rmult_le_compat_l; [exact L0|].
unfold distance at 2. simpl. rewrite Rplus_0_l, Rmult_assoc. apply distance_le. intros i Hi. apply S, Hi.
Qed.

(* At the time s the clipped flow is where the other one is at the time clock s. *)
Lemma clock_exists : exists clock : R -> R, clock 0 = 0 /\ (forall s, is_derive clock s (pace c n (F (x (clock s)))))
  /\ forall s i, (i < n)%nat -> y s i = x (clock s) i.
Proof.
destruct (tame_flow 1 (fun v _ => pace c n (F (x (v 0%nat)))) 1 (fun _ => 0)) as [k [[Z D] _]].
- intros i _. apply (tame_along (fun z => pace c n (F z))), tame_pace.
- intros v i _. pose proof (pace_in c n (F (x (v 0%nat))) threshold). rewrite Rabs_pos_eq; lra.
- exists (fun s => k s 0%nat). split; [apply Z; lia|]. split; [intro s; apply (D s 0%nat); lia|].
  apply (flow_unique n (fun z => clip c n (F z)) c (Rlt_le _ _ threshold)) with x0; [intros; apply clip_bound; assumption | | exact clipped|].
  + apply (tame_field n (fun z => clip c n (F z))), tame_clip.
  + destruct unclipped as [Zx Dx]. split; [intros i Hi; rewrite Z by lia; apply Zx, Hi|]. intros s i Hi.
    evar_last; [apply (is_derive_comp (fun t => x t i) (fun s => k s 0%nat)); [apply Dx, Hi | apply (D s 0%nat); lia]|].
    rewrite clip_pace by assumption. reflexivity.
Qed.

(* Signs of coordinates, each of which keeps its own. *)
Lemma signs m : (forall i, (i < m)%nat -> (forall t, 0 <= t -> 0 <= F (x t) i) \/ (forall t, 0 <= t -> F (x t) i <= 0)) ->
  exists e : nat -> R, forall i, (i < m)%nat -> Rabs (e i) = 1 /\ forall t, 0 <= t -> e i * F (x t) i = Rabs (F (x t) i).
Proof.
induction m as [|m I]; intro H; [exists (fun _ => 1); intros; lia|]. destruct I as [e E]; [intros; apply H; lia|].
destruct (H m ltac:(lia)) as [P|P]; [exists (fun i => if Nat.eq_dec i m then 1 else e i) | exists (fun i => if Nat.eq_dec i m then -1 else e i)];
  intros i Hi; (destruct (Nat.eq_dec i m) as [->|N]; [|apply E; lia]).
- split; [apply Rabs_pos_eq; lra|]. intros t T. rewrite Rabs_pos_eq by apply P, T. ring.
- split; [rewrite Rabs_left; lra|]. intros t T. rewrite Rabs_left1 by apply P, T. ring.
Qed.

(* F1-delay for any flow. The clipped flow passes the same points in the same order: at the time s it is where the other is at the time
   clock s, and it misses none. So it has the same limit, if any. Its delay s - clock s is at least |travel of i| / c less the time the
   unclipped flow took, for every coordinate i; and below the sum of all travels over c if no coordinate ever turns round. *)
Theorem clipped_path : exists clock : R -> R, clock 0 = 0 /\ (forall s u, s < u -> clock s < clock u)
  /\ (forall s i, (i < n)%nat -> y s i = x (clock s) i) /\ (forall t, 0 <= t -> exists s, t <= s /\ clock s = t)
  /\ (forall i (l : Rbar), (i < n)%nat -> is_lim (fun s => y s i) p_infty l <-> is_lim (fun t => x t i) p_infty l)
  /\ (forall s i, 0 <= s -> (i < n)%nat -> Rabs (y s i - x0 i) / c - clock s <= s - clock s)
  /\ ((forall i, (i < n)%nat -> (forall t, 0 <= t -> 0 <= F (x t) i) \/ (forall t, 0 <= t -> F (x t) i <= 0)) ->
      (forall t, 0 <= t -> exists i, (i < n)%nat /\ F (x t) i <> 0) ->
      forall s, 0 < s -> s - clock s < Sum n (fun i => Rabs (y s i - x0 i)) / c).
Proof.
destruct clock_exists as [k [Z [D S]]]. assert (C := threshold). exists k.
assert (P : forall s, 0 < pace c n (F (x (k s))) <= 1) by (intro; apply pace_in, C).
assert (UP : forall s u, s < u -> k s < k u) by (intros s u L; apply (grows_strictly k (fun s => pace c n (F (x (k s)))));
  [exact L | intros; apply D | intros; apply P]).
assert (LATE : forall s, 0 <= s -> k s <= s).
{ intros s HS. pose proof (grows (fun s => s - k s) (fun s => 1 - pace c n (F (x (k s)))) 0 0 s HS) as G. cbv beta in G. rewrite Z in G.
  enough (0 * (s - 0) <= s - k s - (0 - 0)) by lra. apply G.
  - intros t _. apply (is_derive_minus (fun s => s) k); [apply @is_derive_id | apply D].
  - intros t _. pose proof (P t). lra. }
assert (ONTO : forall t, 0 <= t -> exists s, t <= s /\ k s = t).
{ intros t T. set (m := c / Rmax c (INR n * M)). pose proof (Rmax_l c (INR n * M)) as ML.
  assert (m0 : 0 < m) by (apply Rdiv_lt_0_compat; lra).
  assert (G : m * (t / m - 0) <= k (t / m) - k 0).
  { apply (grows k (fun s => pace c n (F (x (k s))))); [apply Rdiv_le_0_compat; lra | intros; apply D|]. intros s _. unfold m, pace, Rdiv.
    apply Rmult_le_compat_l; [lra|]. apply Rinv_le_contravar; [pose proof (Rmax_l c (norm n (F (x (k s))))); lra|].
    apply Rle_max_compat_l, norm_bounded. }
  rewrite Z in G. replace (m * (t / m - 0)) with t in G by (field; lra).
  destruct (IVT_gen k 0 (t / m) t) as [s [[SL _] E]].
  - intro s. apply continuity_pt_filterlim, (ex_derive_continuous k). eexists; apply D.
  - rewrite Z. split; [apply Rle_trans with 0; [apply Rmin_l | exact T] | apply Rle_trans with (k (t / m)); [lra | apply Rmax_r]].
  - exists s. split; [|exact E]. rewrite <- E. apply LATE. apply Rle_trans with (2 := SL). rewrite Rmin_left; [lra | apply Rdiv_le_0_compat; lra]. }
split; [exact Z|]. split; [exact UP|]. split; [exact S|]. split; [exact ONTO|]. split; [|split].
- intros i l Hi. split; intro L.
  + intros Q HQ. destruct (L Q HQ) as [N HN]. exists (k (Rmax N 0)). intros t T.
    assert (0 <= k (Rmax N 0)).
    { rewrite <- Z at 1. destruct (Rmax_r N 0) as [X|X]; [apply Rlt_le, UP, X | rewrite <- X; lra]. }
    destruct (ONTO t ltac:(lra)) as [s [_ <-]]. rewrite <- S by exact Hi. apply HN.
    apply Rle_lt_trans with (1 := Rmax_l N 0). destruct (Rle_lt_dec s (Rmax N 0)) as [[X|X]|X]; [pose proof (UP _ _ X); lra | rewrite X in T; lra | exact X].
  + intros Q HQ. destruct (L Q HQ) as [N HN]. destruct (ONTO (Rmax N 0) (Rmax_r N 0)) as [u [_ U]]. exists u. intros s HS. rewrite S by exact Hi.
    apply HN. pose proof (UP _ _ HS). pose proof (Rmax_l N 0). lra.
- intros s i HS Hi. destruct clipped as [Zy Dy].
  assert (SL : slow n c x0 y) by (apply slopes_slow with (fun t => clip c n (F (y t))); [exact Zy | exact Dy | intros; apply clip_bound; assumption]).
  pose proof (proj2 SL s 0 i Hi) as X. rewrite Zy, Rminus_0_r, (Rabs_pos_eq s) in X by assumption. apply Rplus_le_compat_r.
  apply Rmult_le_reg_r with c; [exact C|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
- intros KEEP MOVE s HS. destruct (signs n KEEP) as [e E]. destruct clipped as [Zy Dy].
  set (psi u := Sum n (fun i => e i * (y u i - x0 i)) * / c - (u - k u)).
  assert (DP : forall u, is_derive psi u (Sum n (fun i => e i * (pace c n (F (x (k u))) * F (x (k u)) i)) * / c - (1 - pace c n (F (x (k u)))))).
  { intro u. unfold psi. apply (is_derive_minus (fun u => Sum n (fun i => e i * (y u i - x0 i)) * / c) (fun u => u - k u));
      [|apply (is_derive_minus (fun s => s) k); [apply @is_derive_id | apply D]].
    evar_last; [apply (product_derive (fun u => Sum n (fun i => e i * (y u i - x0 i))) (fun _ => / c)); [|apply @is_derive_const]|].
    - apply (Sum_derive n (fun u i => e i * (y u i - x0 i)) (fun i => e i * (pace c n (F (x (k u))) * F (x (k u)) i))). intros i Hi.
      apply is_derive_scal. evar_last.
      + apply (is_derive_minus (fun u => y u i) (fun _ => x0 i)); [|apply @is_derive_const].
        apply is_derive_ext with (fun u => x (k u) i); [intro; symmetry; apply S, Hi|].
        apply (is_derive_comp (fun t => x t i) k); [apply unclipped, Hi | apply D].
      + unfold scal, minus, plus, opp, zero; simpl; unfold mult; simpl. ring.
    - unfold zero; simpl. ring. }
  assert (L : psi 0 < psi s).
  { apply (grows_strictly psi _ 0 s HS (fun u _ => DP u)). intros u [U _].
    assert (U0 : 0 <= k u) by (rewrite <- Z; destruct U as [X | <-]; [apply Rlt_le, UP, X | lra]).
    rewrite (Sum_ext n _ (fun i => pace c n (F (x (k u))) * Rabs (F (x (k u)) i))).
    2:{ intros i Hi. rewrite <- (proj2 (E i Hi) (k u) U0). ring. }
    rewrite Sum_scal. pose proof (norm_sizes n (F (x (k u)))) as N1. set (G := Sum n _) in *.
    assert (G0 : 0 < G).
    { destruct (MOVE (k u) U0) as [i [Hi X]]. apply (Sum_pos_one n _ i Hi); [apply Rabs_pos_lt, X | intros; apply Rabs_pos]. }
    unfold pace. set (N := norm n (F (x (k u)))) in *. clearbody N G. pose proof (Rmax_l c N) as R1. set (R := Rmax c N) in *.
    assert (RG : R < c + G) by (unfold R, Rmax; destruct (Rle_dec c N); lra).
    replace (c / R * G * / c - (1 - c / R)) with ((c + G - R) / R) by (field; lra). apply Rdiv_lt_0_compat; lra. }
  unfold psi in L. rewrite Z, (Sum_zero n (fun i => e i * (y 0 i - x0 i))) in L by (intros; rewrite Zy by assumption; ring).
  assert (T : Sum n (fun i => e i * (y s i - x0 i)) <= Sum n (fun i => Rabs (y s i - x0 i))).
  { apply Sum_le. intros i Hi. apply Rle_trans with (1 := Rle_abs _). rewrite Rabs_mult, (proj1 (E i Hi)). lra. }
  apply Rmult_le_compat_r with (r := / c) in T; [|apply Rlt_le, Rinv_0_lt_compat, C]. unfold Rdiv. lra.
Qed.
End Clipped.

(* A logit that follows k (q - its probability), q the demonstrated one: it keeps its side of q's logit, and never turns round. *)
Definition logit q := ln (q / (1 - q)).

Lemma sigmoid_logit q : 0 < q < 1 -> sigmoid (logit q) = q.
Proof.
intro Q. unfold sigmoid, logit. rewrite exp_Ropp, exp_ln by (apply Rdiv_lt_0_compat; lra). field. lra.
Qed.

Lemma sigmoid_steep u v : u <= v -> 0 <= sigmoid v - sigmoid u <= v - u.
Proof.
intro L. assert (B : forall t, 0 <= sigmoid t * (1 - sigmoid t) <= 1) by (intro t; pose proof (sigmoid_in t); nra). split.
- pose proof (grows sigmoid (fun t => sigmoid t * (1 - sigmoid t)) 0 u v L (fun t _ => sigmoid_derive t) (fun t _ => proj1 (B t))). lra.
- pose proof (grows (fun t => t - sigmoid t) (fun t => 1 - sigmoid t * (1 - sigmoid t)) 0 u v L) as G. cbv beta in G.
  enough (0 * (v - u) <= v - sigmoid v - (u - sigmoid u)) by lra. apply G; intros t _; [|pose proof (B t); lra].
  apply (is_derive_minus (fun t => t) sigmoid); [apply @is_derive_id | apply sigmoid_derive].
Qed.

Lemma logit_side (theta : R -> R) k q : 0 < k -> 0 < q < 1 -> (forall t, is_derive theta t (k * (q - sigmoid (theta t)))) -> forall t, 0 <= t ->
  (theta 0 < logit q -> theta 0 <= theta t < logit q) /\ (theta 0 > logit q -> logit q < theta t <= theta 0)
  /\ (theta 0 = logit q -> theta t = logit q).
Proof.
intros K Q D. set (l := logit q). set (u t := (theta t - l) ^ 2).
assert (SL : sigmoid l = q) by apply sigmoid_logit, Q.
assert (SIDE : forall t, 0 <= (theta t - l) * (sigmoid (theta t) - q) <= (theta t - l) ^ 2).
{ intro t. rewrite <- SL. destruct (Rle_dec l (theta t)) as [L|L]; [pose proof (sigmoid_steep l (theta t) L) | pose proof (sigmoid_steep (theta t) l ltac:(lra))]; nra. }
assert (DU : forall t, is_derive u t (- 2 * k * ((theta t - l) * (sigmoid (theta t) - q)))).
{ intro t. unfold u. apply is_derive_ext with (fun t => (theta t + - l) * (theta t + - l)); [intro; simpl; ring|].
  assert (DX : is_derive (fun t => theta t + - l) t (k * (q - sigmoid (theta t)) + 0)) by (apply (sum_derive theta (fun _ => - l)); [exact (D t) | apply @is_derive_const]).
  evar_last; [exact (product_derive _ _ t _ _ DX DX) | simpl; ring]. }
assert (DOWN : forall t, 0 <= t -> u t <= u 0).
{ intros t T. pose proof (grows (fun t => - u t) (fun t => - (- 2 * k * ((theta t - l) * (sigmoid (theta t) - q)))) 0 0 t T) as G. cbv beta in G.
  enough (0 * (t - 0) <= - u t - - u 0) by lra. apply G; intros s _; [apply (is_derive_opp u), DU | pose proof (SIDE s); nra]. }
assert (STAY : forall t, 0 <= t -> u 0 <= u t * exp (2 * k * t)).
{ intros t T. pose proof (grows (fun t => u t * exp (2 * k * t)) (fun t => (- 2 * k * ((theta t - l) * (sigmoid (theta t) - q))) * exp (2 * k * t)
    + u t * (2 * k * exp (2 * k * t))) 0 0 t T) as G. cbv beta in G. rewrite Rmult_0_r, exp_0 in G.
  enough (0 * (t - 0) <= u t * exp (2 * k * t) - u 0 * 1) by lra. apply G; intros s _.
  - apply (product_derive u (fun t => exp (2 * k * t))); [apply DU|]. auto_derive; [exact I | ring].
  - pose proof (exp_pos (2 * k * s)) as X. unfold u. pose proof (SIDE s).
    replace (_ + _) with (2 * k * exp (2 * k * s) * ((theta s - l) ^ 2 - (theta s - l) * (sigmoid (theta s) - q))) by ring.
    apply Rmult_le_pos; [apply Rlt_le; repeat apply Rmult_lt_0_compat; lra | lra]. }
assert (NEVER : forall t, 0 <= t -> theta 0 <> l -> theta t <> l).
{ intros t T N E. pose proof (STAY t T) as X. unfold u in X. rewrite E in X. assert (0 < (theta 0 - l) ^ 2) by (apply pow2_gt_0; lra). lra. }
assert (CONT : Ranalysis1.continuity theta) by (intro s; apply continuity_pt_filterlim, (ex_derive_continuous theta); eexists; apply D).
assert (CROSS : forall t, 0 <= t -> Rmin (theta 0) (theta t) <= l <= Rmax (theta 0) (theta t) -> theta 0 = l).
{ intros t T B. destruct (IVT_gen theta 0 t l CONT B) as [s [[S _] E]]. rewrite Rmin_left in S by exact T.
  destruct (Req_dec (theta 0) l) as [X|X]; [exact X | exfalso; exact (NEVER s S X E)]. }
assert (CLOSER : forall t, 0 <= t -> Rabs (theta t - l) <= Rabs (theta 0 - l)).
{ intros t T. pose proof (DOWN t T) as X. unfold u in X. rewrite <- (sqrt_Rsqr_abs (theta t - l)), <- (sqrt_Rsqr_abs (theta 0 - l)). apply sqrt_le_1_alt. unfold Rsqr. lra. }
intros t T. pose proof (CLOSER t T) as C. pose proof (CROSS t T) as X. fold l. split; [|split]; intro H.
- destruct (Rlt_dec (theta t) l) as [B|B].
  + split; [|exact B]. rewrite !Rabs_left in C by lra. lra.
  + exfalso. assert (theta 0 = l) by (apply X; rewrite Rmin_left, Rmax_right by lra; lra). lra.
- destruct (Rlt_dec l (theta t)) as [B|B].
  + split; [exact B|]. rewrite !Rabs_pos_eq in C by lra. lra.
  + exfalso. assert (theta 0 = l) by (apply X; rewrite Rmin_right, Rmax_left by lra; lra). lra.
- rewrite H, Rminus_eq_0, Rabs_R0 in C. pose proof (Rabs_pos (theta t - l)). destruct (Req_dec (theta t - l) 0) as [E|E]; [lra|].
  pose proof (Rabs_pos_lt _ E). lra.
Qed.

(* SFT in the minimal chain: the logits of answering right, of stopping after right answers and of resampling after wrong ones. *)
Section Minimal.
Variables (pE aE bE w v : R).
Hypothesis demonstrations : 0 < pE < 1 /\ 0 < aE < 1 /\ 0 < bE < 1.
Hypothesis weights : 0 < w /\ 0 < v.
Definition demonstrated i := match i with O => pE | S O => aE | _ => bE end.
Definition likelihood (theta : nat -> R) := sft 2 (two pE (1 - pE)) (two aE (1 - bE))
  (two (sigmoid (theta 0%nat)) (1 - sigmoid (theta 0%nat))) (two (sigmoid (theta 1%nat)) (1 - sigmoid (theta 2%nat))) (fun _ => w) v.
Let nE := turns 2 (two pE (1 - pE)) (two aE (1 - bE)) 1.
Definition strength i := nE * match i with O => w | S O => v * pE | _ => v * (1 - pE) end.
Definition slope (theta : nat -> R) i := strength i * (demonstrated i - sigmoid (theta i)).

Lemma strength_pos i : 0 < strength i.
Proof.
unfold strength. apply Rmult_lt_0_compat.
- apply turns_pos; [split; [simpl; ring|]; split; intros [|y] _; simpl; lra|]. right. split; [reflexivity|]. exists 0%nat. simpl. repeat split; lra || lia.
- destruct i as [|[|i]]; [lra | apply Rmult_lt_0_compat; lra | apply Rmult_lt_0_compat; lra].
Qed.

Lemma demonstrated_in i : 0 < demonstrated i < 1.
Proof. destruct i as [|[|i]]; simpl; lra. Qed.

Lemma logs_derive A B C t : is_derive (fun x => C + (A * ln (sigmoid x) + B * ln (1 - sigmoid x))) t (A * (1 - sigmoid t) - B * sigmoid t).
Proof.
destruct (sigmoid_log_derive t) as [L R]. evar_last.
- apply (sum_derive (fun _ => C) (fun x => A * ln (sigmoid x) + B * ln (1 - sigmoid x))); [apply @is_derive_const|].
  apply (sum_derive (fun x => A * ln (sigmoid x)) (fun x => B * ln (1 - sigmoid x))); apply is_derive_scal; eassumption.
- unfold zero; simpl. ring.
Qed.

Lemma slope_derive theta i : (i < 3)%nat -> is_derive (fun u => likelihood (upd theta i u)) (theta i) (slope theta i).
Proof.
intro Hi. assert (E : forall th, likelihood th = nE * (pE * (w * ln (sigmoid (th 0%nat)) + v * (aE * ln (sigmoid (th 1%nat)) + (1 - aE) * ln (1 - sigmoid (th 1%nat))))
  + (1 - pE) * (w * ln (1 - sigmoid (th 0%nat)) + v * ((1 - bE) * ln (1 - sigmoid (th 2%nat)) + bE * ln (sigmoid (th 2%nat)))))).
{ intro th. unfold likelihood. rewrite sft_sum. simpl. fold nE. replace (1 - (1 - sigmoid (th 2%nat))) with (sigmoid (th 2%nat)) by ring.
  replace (1 - (1 - bE)) with bE by ring. ring. }
set (p := sigmoid (theta 0%nat)). set (a := sigmoid (theta 1%nat)). set (b := sigmoid (theta 2%nat)).
destruct i as [|[|[|i]]]; [| | | lia]; unfold slope, strength, demonstrated; fold p a b.
- apply is_derive_ext with (fun x => nE * (pE * (v * (aE * ln a + (1 - aE) * ln (1 - a))) + (1 - pE) * (v * ((1 - bE) * ln (1 - b) + bE * ln b)))
    + (nE * w * pE * ln (sigmoid x) + nE * w * (1 - pE) * ln (1 - sigmoid x))); [intro; rewrite E; unfold upd, a, b; simpl; ring|].
  evar_last; [apply logs_derive|]. fold p. ring.
- apply is_derive_ext with (fun x => nE * (pE * (w * ln p) + (1 - pE) * (w * ln (1 - p) + v * ((1 - bE) * ln (1 - b) + bE * ln b)))
    + (nE * v * pE * aE * ln (sigmoid x) + nE * v * pE * (1 - aE) * ln (1 - sigmoid x))); [intro; rewrite E; unfold upd, p, b; simpl; ring|].
  evar_last; [apply logs_derive|]. fold a. ring.
- apply is_derive_ext with (fun x => nE * (pE * (w * ln p + v * (aE * ln a + (1 - aE) * ln (1 - a))) + (1 - pE) * (w * ln (1 - p)))
    + (nE * v * (1 - pE) * bE * ln (sigmoid x) + nE * v * (1 - pE) * (1 - bE) * ln (1 - sigmoid x))); [intro; rewrite E; unfold upd, p, a; simpl; ring|].
  evar_last; [apply logs_derive|]. fold b. ring.
Qed.

Lemma slope_tame i : (i < 3)%nat -> tame 3 (fun z => slope z i).
Proof.
intro Hi. unfold slope. apply tame_mult; [apply tame_const|]. apply tame_minus; [apply tame_const|]. apply tame_sigmoid, tame_coordinate, Hi.
Qed.

Lemma slope_bounded z i : (i < 3)%nat -> Rabs (slope z i) <= strength 0 + strength 1 + strength 2.
Proof.
intro Hi. pose proof (strength_pos 0). pose proof (strength_pos 1). pose proof (strength_pos 2). pose proof (sigmoid_in (z i)). pose proof (demonstrated_in i).
pose proof (strength_pos i). unfold slope. rewrite Rabs_mult, Rabs_pos_eq by lra.
assert (Rabs (demonstrated i - sigmoid (z i)) <= 1) by (apply Rabs_le; lra).
apply Rle_trans with (strength i * 1); [apply Rmult_le_compat_l; lra|]. destruct i as [|[|[|i]]]; [lra | lra | lra | lia].
Qed.

(* x follows the gradient, y the gradient clipped to the length c; both start at the same policy, which is not the demonstrator's. *)
Definition trains (x : R -> nat -> R) :=
  forall t i d, (i < 3)%nat -> is_derive (fun u => likelihood (upd (x t) i u)) (x t i) d -> is_derive (fun u => x u i) t d.
Definition trains_clipped c (y : R -> nat -> R) :=
  forall t g, (forall i, (i < 3)%nat -> is_derive (fun u => likelihood (upd (y t) i u)) (y t i) (g i)) ->
  forall i, (i < 3)%nat -> is_derive (fun u => y u i) t (clip c 3 g i).

(* F1-delay: at the time s the clipped run is where the other is at the time clock s, all its points are passed in their order, and the
   limit is the same. Every delay s - clock s is below the travels' sum over c, which is below a number without the weights, the distance
   of the start from the demonstrator; and it is at least the travel of the logit of sampling over c, less the other's time. *)
Theorem sft_delay c th0 x y : 0 < c -> (forall i, (i < 3)%nat -> x 0 i = th0 i /\ y 0 i = th0 i) -> trains x -> trains_clipped c y ->
  (exists i, (i < 3)%nat /\ sigmoid (th0 i) <> demonstrated i) -> let travel s i := Rabs (y s i - th0 i) in
  exists clock : R -> R, clock 0 = 0 /\ (forall s u, s < u -> clock s < clock u)
  /\ (forall s i, (i < 3)%nat -> y s i = x (clock s) i) /\ (forall t, 0 <= t -> exists s, t <= s /\ clock s = t)
  /\ (forall i (l : Rbar), (i < 3)%nat -> is_lim (fun s => y s i) p_infty l <-> is_lim (fun t => x t i) p_infty l)
  /\ forall s, 0 < s -> travel s 0%nat / c - clock s <= s - clock s < (travel s 0%nat + travel s 1%nat + travel s 2%nat) / c
     /\ forall i, (i < 3)%nat -> travel s i <= Rabs (logit (demonstrated i) - th0 i).
Proof.
intros C Z TX TY [m [Hm NE]] travel.
assert (FX : follows 3 slope th0 x) by (split; [intros; apply Z; assumption | intros t i Hi; apply TX; [exact Hi | apply slope_derive, Hi]]).
assert (FY : follows 3 (fun z => clip c 3 (slope z)) th0 y).
{ split; [intros; apply Z; assumption|]. intros t i Hi. apply (TY t (slope (y t))); [intros; apply slope_derive; assumption | exact Hi]. }
assert (SIDE : forall i t, (i < 3)%nat -> 0 <= t -> (th0 i < logit (demonstrated i) -> th0 i <= x t i < logit (demonstrated i))
  /\ (th0 i > logit (demonstrated i) -> logit (demonstrated i) < x t i <= th0 i) /\ (th0 i = logit (demonstrated i) -> x t i = logit (demonstrated i))).
{ intros i t Hi T. rewrite <- (proj1 (Z i Hi)). apply (logit_side (fun t => x t i) (strength i)); [apply strength_pos | apply demonstrated_in | | exact T].
  intro s. apply FX, Hi. }
assert (SL : forall i, sigmoid (logit (demonstrated i)) = demonstrated i) by (intro; apply sigmoid_logit, demonstrated_in).
destruct (clipped_path 3 slope _ c C slope_tame slope_bounded th0 x y FX FY) as [k [K0 [UP [S [ONTO [LIM [LOW HIGH]]]]]]].
exists k. split; [exact K0|]. split; [exact UP|]. split; [exact S|]. split; [exact ONTO|]. split; [exact LIM|]. intros s HS.
assert (KS : 0 <= k s) by (rewrite <- K0; apply Rlt_le, UP, HS). split; [split; [apply LOW; [lra | lia]|]|].
- rewrite <- (Rplus_0_l (travel s 0%nat)). apply HIGH; [| |exact HS].
  + intros i Hi. pose proof (strength_pos i) as P. destruct (Rle_dec (th0 i) (logit (demonstrated i))) as [L|L]; [left | right]; intros t T;
      destruct (SIDE i t Hi T) as [A [B E]]; unfold slope; rewrite <- SL at 1.
    * apply Rmult_le_pos; [lra|]. destruct L as [L|L]; [pose proof (A L) | rewrite (E L); lra].
      pose proof (sigmoid_steep (x t i) (logit (demonstrated i)) ltac:(lra)). lra.
    * pose proof (B ltac:(lra)). pose proof (sigmoid_steep (logit (demonstrated i)) (x t i) ltac:(lra)). nra.
  + intros t T. exists m. split; [exact Hm|]. pose proof (strength_pos m) as P. destruct (SIDE m t Hm T) as [A [B _]].
    assert (N : th0 m <> logit (demonstrated m)) by (intro E; apply NE; rewrite E; apply SL).
    assert (X : x t m <> logit (demonstrated m)) by (destruct (Rdichotomy _ _ N) as [L|L]; [pose proof (A L) | pose proof (B L)]; lra).
    unfold slope. intro E. apply Rmult_integral in E. destruct E as [E|E]; [lra|]. apply X.
    assert (L : logit (sigmoid (x t m)) = x t m).
    { unfold logit. rewrite <- (ln_exp (x t m)) at 3. f_equal. unfold sigmoid. rewrite exp_Ropp. pose proof (exp_pos (x t m)). field. lra. }
    rewrite <- L. f_equal. lra.
- intros i Hi. unfold travel. rewrite S by exact Hi. destruct (SIDE i (k s) Hi KS) as [A [B E]].
  destruct (Rtotal_order (th0 i) (logit (demonstrated i))) as [L|[L|L]].
  + pose proof (A L). rewrite !Rabs_pos_eq; lra.
  + rewrite (E L), L. lra.
  + pose proof (B L). rewrite !Rabs_left1; lra.
Qed.

(* Both runs exist, from every start. *)
Theorem delayed_runs c th0 : 0 < c -> exists x y, (forall i, (i < 3)%nat -> x 0 i = th0 i /\ y 0 i = th0 i) /\ trains x /\ trains_clipped c y.
Proof.
intro C. destruct (tame_flow 3 slope _ th0 slope_tame slope_bounded) as [x [[Zx Dx] _]].
destruct (clipped_exists 3 slope _ c C slope_tame slope_bounded th0) as [y [Zy Dy]].
exists x, y. split; [intros i Hi; split; [apply Zx, Hi | apply Zy, Hi]|]. split.
- intros t i d Hi H. evar_last; [apply Dx, Hi|]. rewrite <- (is_derive_unique _ _ _ H). symmetry. apply is_derive_unique, slope_derive, Hi.
- intros t g H i Hi. evar_last; [apply Dy, Hi|]. assert (G : forall j, (j < 3)%nat -> slope (y t) j = g j).
  { intros j Hj. rewrite <- (is_derive_unique _ _ _ (H j Hj)). symmetry. apply is_derive_unique, slope_derive, Hj. }
  unfold clip. rewrite G by exact Hi. f_equal. f_equal. f_equal. unfold norm. f_equal. apply Sum_ext. intros j Hj. rewrite G by exact Hj. reflexivity.
Qed.
End Minimal.

(* A fair coin at the start, three quarters in the demonstrations: whatever the weights, no delay is longer than 3 ln 3 over c. *)
Example sft_delay_met w v c : 0 < w -> 0 < v -> 0 < c -> exists x y clock : R -> _,
  (forall i, (i < 3)%nat -> x 0 i = 0 /\ y 0 i = 0) /\ trains (3 / 4) (3 / 4) (3 / 4) w v x /\ trains_clipped (3 / 4) (3 / 4) (3 / 4) w v c y
  /\ forall s, 0 < s -> (forall i, (i < 3)%nat -> y s i = x (clock s) i) /\ s - clock s < 3 * ln 3 / c.
Proof.
intros W V C. assert (D : 0 < 3 / 4 < 1 /\ 0 < 3 / 4 < 1 /\ 0 < 3 / 4 < 1) by lra.
destruct (delayed_runs (3 / 4) (3 / 4) (3 / 4) w v D (conj W V) c (fun _ => 0) C) as [x [y [Z [TX TY]]]]. exists x, y.
destruct (sft_delay (3 / 4) (3 / 4) (3 / 4) w v D (conj W V) c (fun _ => 0) x y C Z TX TY) as [k [_ [_ [S [_ [_ B]]]]]].
{ exists 0%nat. split; [lia|]. rewrite sigmoid_0. simpl. lra. }
exists k. split; [exact Z|]. split; [exact TX|]. split; [exact TY|]. intros s HS. split; [intros; apply S; assumption|].
destruct (B s HS) as [[_ U] T]. apply Rlt_le_trans with (1 := U). apply Rmult_le_compat_r; [apply Rlt_le, Rinv_0_lt_compat, C|].
assert (L : Rabs (logit (3 / 4) - 0) = ln 3).
{ unfold logit. replace (3 / 4 / (1 - 3 / 4)) with 3 by field. rewrite Rminus_0_r, Rabs_pos_eq; [reflexivity|]. rewrite <- ln_1. apply Rlt_le, ln_increasing; lra. }
pose proof (T 0%nat ltac:(lia)) as T0. pose proof (T 1%nat ltac:(lia)) as T1. pose proof (T 2%nat ltac:(lia)) as T2. simpl in T0, T1, T2.
rewrite L in T0, T1, T2. lra.
Qed.

(* A field of constant speed 5, clipped to 1: the delay is four fifths of the time. *)
Example clipped_path_met : let F := fun (_ : nat -> R) i => match i with O => 3 | _ => 4 end in
  let x t i := t * F (fun _ => 0) i in exists clock, forall s, 0 < s -> clock s = s / 5 /\ s - clock s < (3 * s / 5 + 4 * s / 5) / 1.
Proof.
intros F x. set (y (s : R) i := s * (F (fun _ => 0) i / 5)).
assert (N : norm 2 (F (fun _ => 0)) = 5).
{ unfold norm. replace (Sum 2 _) with (5 ^ 2) by (simpl; ring). apply sqrt_pow2. lra. }
assert (X : follows 2 F (fun _ => 0) x) by (split; [intros; unfold x; ring|]; intros t i _; unfold x; auto_derive; [exact I | unfold F; ring]).
assert (Y : follows 2 (fun z => clip 1 2 (F z)) (fun _ => 0) y).
{ split; [intros; unfold y; ring|]. intros t i Hi. unfold clip. change (F (y t)) with (F (fun _ => 0)). rewrite N, Rmin_right by lra.
  unfold y. auto_derive; [exact I | unfold F; field]. }
destruct (clipped_path 2 F 4 1 ltac:(lra) ltac:(intros i _; exact (tame_const 2 (F (fun _ => 0) i)))
  ltac:(intros z [|i] _; unfold F; rewrite Rabs_pos_eq; lra) _ x y X Y) as [k [_ [_ [S [_ [_ [_ H]]]]]]].
exists k. intros s HS. split.
- pose proof (S s 0%nat ltac:(lia)) as E. unfold x, y, F in E. lra.
- apply Rlt_le_trans with (1 := H ltac:(intros [|i] _; left; intros; simpl; lra) ltac:(intros t _; exists 0%nat; split; [lia | simpl; lra]) s HS).
  right. f_equal. simpl. unfold y, F. rewrite !Rminus_0_r, !Rabs_pos_eq by nra. field.
Qed.
