(* Flows exist: a bounded field that is Lipschitz on every box has exactly one solution from every start, for all times. The theorems about
   training in continuous time speak of curves that follow such a field. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums.
Open Scope R_scope.

(* Points have n coordinates. *)
Definition distance n (x y : nat -> R) := Sum n (fun i => Rabs (x i - y i)).
Definition box n K (x : nat -> R) := forall i, (i < n)%nat -> Rabs (x i) <= K.

(* A curve follows the field F from x0. *)
Definition follows n (F : (nat -> R) -> nat -> R) (x0 : nat -> R) (x : R -> nat -> R) :=
  (forall i, (i < n)%nat -> x 0 i = x0 i) /\ forall t i, (i < n)%nat -> is_derive (fun u => x u i) t (F (x t) i).

Lemma distance_sym n x y : distance n x y = distance n y x.
Proof. apply Sum_ext. intros i _. apply Rabs_minus_sym. Qed.

Lemma distance_pos n x y : 0 <= distance n x y.
Proof. apply Sum_nonneg. intros i _. apply Rabs_pos. Qed.

Lemma Sum_const n c : Sum n (fun _ => c) = INR n * c.
Proof. induction n as [|n I]; [simpl; ring|]. rewrite S_INR. simpl. rewrite I. ring. Qed.

(* A term of a sum of nonnegative ones is at most the sum. *)
Lemma term_below n f j : (forall i, (i < n)%nat -> 0 <= f i) -> (j < n)%nat -> f j <= Sum n f.
Proof.
intros P Hj. rewrite <- (Sum_delta n f j Hj) at 1. apply Sum_le. intros i Hi. pose proof (P i Hi).
destruct (Nat.eq_dec i j) as [->|N]; [rewrite delta_same; lra | rewrite delta_other by exact N; lra].
Qed.

Lemma abs_below n f j : (j < n)%nat -> Rabs (f j) <= Sum n (fun i => Rabs (f i)).
Proof. apply (term_below n (fun i => Rabs (f i))). intros; apply Rabs_pos. Qed.

Lemma distance_le n x y e : (forall i, (i < n)%nat -> Rabs (x i - y i) <= e) -> distance n x y <= INR n * e.
Proof. intro H. rewrite <- Sum_const. apply Sum_le, H. Qed.

(* A function whose slope is at most C e^(Q |s|) is at most C/Q e^(Q |s|) away from its start. *)
Lemma exp_growth_right (f f' : R -> R) Q C t : 0 < Q -> 0 <= C -> 0 <= t -> f 0 = 0 -> (forall s, 0 <= s <= t -> is_derive f s (f' s)) ->
  (forall s, 0 <= s <= t -> Rabs (f' s) <= C * exp (Q * s)) -> Rabs (f t) <= C / Q * exp (Q * t).
Proof.
intros HQ HC T Z D B.
assert (G : forall h h', h 0 = 0 -> (forall s, 0 <= s <= t -> is_derive h s (h' s)) -> (forall s, 0 <= s <= t -> h' s <= C * exp (Q * s)) ->
  h t <= C / Q * exp (Q * t)).
{ intros h h' Z' D' B'. set (k s := C / Q * exp (Q * s) - h s).
  assert (K : forall s, 0 <= s <= t -> is_derive k s (C * exp (Q * s) - h' s)).
  { intros s S. apply (is_derive_minus (fun s => C / Q * exp (Q * s)) h); [|apply D', S]. auto_derive; [trivial|]. field. lra. }
  assert (L : k 0 <= k t).
  { destruct (MVT_gen k 0 t (fun s => C * exp (Q * s) - h' s)) as [s [S E]]; rewrite ?Rmin_left, ?Rmax_right in * by lra.
    - intros; apply K; lra.
    - intros s S. apply continuity_pt_filterlim, (ex_derive_continuous k). eexists; apply K, S.
    - pose proof (B' s S). assert (0 <= (C * exp (Q * s) - h' s) * (t - 0)) by (apply Rmult_le_pos; lra). lra. }
  unfold k in L. rewrite Z', Rmult_0_r, exp_0 in L. assert (0 <= C / Q) by (apply Rdiv_le_0_compat; lra). lra. }
apply Rabs_le. split.
- pose proof (G (fun s => - f s) (fun s => - f' s)) as N. enough (- f t <= C / Q * exp (Q * t)) by lra. apply N.
  + rewrite Z. ring.
  + intros s S. apply (is_derive_opp f), D, S.
  + intros s S. pose proof (B s S) as X. apply Rabs_le_between in X. lra.
- apply (G f f' Z D). intros s S. pose proof (B s S) as X. apply Rabs_le_between in X. lra.
Qed.

Lemma exp_growth (f f' : R -> R) Q C t : 0 < Q -> 0 <= C -> f 0 = 0 -> (forall s, Rabs s <= Rabs t -> is_derive f s (f' s)) ->
  (forall s, Rabs s <= Rabs t -> Rabs (f' s) <= C * exp (Q * Rabs s)) -> Rabs (f t) <= C / Q * exp (Q * Rabs t).
Proof.
intros HQ HC Z D B. destruct (Rle_lt_dec 0 t) as [T|T].
- rewrite (Rabs_pos_eq t) by exact T. apply (exp_growth_right f f'); try assumption.
  + intros s S. apply D. rewrite !Rabs_pos_eq; lra.
  + intros s S. rewrite <- (Rabs_pos_eq s) at 2 by lra. apply B. rewrite !Rabs_pos_eq; lra.
- rewrite (Rabs_left t) by exact T. replace (f t) with (f (- - t)) by (f_equal; ring).
  apply (exp_growth_right (fun s => f (- s)) (fun s => - f' (- s))); try assumption; try lra.
  + rewrite Ropp_0. exact Z.
  + intros s S. assert (O : is_derive (fun s => - s) s (- 1)) by (auto_derive; [trivial | ring]).
    assert (D' : is_derive f (- s) (f' (- s))) by (apply D; rewrite Rabs_Ropp, Rabs_pos_eq, Rabs_left by lra; lra).
    pose proof (is_derive_comp f (fun s => - s) s _ _ D' O) as X. evar_last; [exact X|]. unfold scal; simpl; unfold mult; simpl. ring.
  + intros s S. rewrite Rabs_Ropp. replace s with (Rabs (- s)) at 2 by (rewrite Rabs_Ropp, Rabs_pos_eq; lra). apply B.
    rewrite Rabs_Ropp, Rabs_pos_eq, Rabs_left by lra. lra.
Qed.

(* A sequence whose steps halve converges. *)
Lemma halving (u : nat -> R) A : 0 <= A -> (forall k, Rabs (u (S k) - u k) <= A * (1 / 2) ^ k) ->
  exists l : R, is_lim_seq u l /\ forall k, Rabs (l - u k) <= 2 * A * (1 / 2) ^ k.
Proof.
intros HA H. assert (P : forall k, 0 < (1 / 2) ^ k) by (intro; apply pow_lt; lra).
assert (C : forall j k, Rabs (u (j + k)%nat - u k) <= 2 * A * (1 / 2) ^ k * (1 - (1 / 2) ^ j)).
{ intros j k. induction j as [|j I]; [simpl; rewrite Rminus_eq_0, Rabs_R0; lra|].
  pose proof (H (j + k)%nat) as X. rewrite pow_add in X.
  pose proof (Rabs_triang (u (S (j + k)) - u (j + k)%nat) (u (j + k)%nat - u k)) as T.
  replace (u (S (j + k)) - u (j + k)%nat + (u (j + k)%nat - u k)) with (u (S j + k)%nat - u k) in T by (simpl; ring).
  replace (2 * A * (1 / 2) ^ k * (1 - (1 / 2) ^ S j)) with (2 * A * (1 / 2) ^ k * (1 - (1 / 2) ^ j) + A * ((1 / 2) ^ j * (1 / 2) ^ k))
    by (simpl; field). lra. }
assert (B : forall j k, Rabs (u (j + k)%nat - u k) <= 2 * A * (1 / 2) ^ k).
{ intros j k. pose proof (C j k) as X. pose proof (P j). pose proof (P k). assert (0 <= 2 * A * (1 / 2) ^ k) by (apply Rmult_le_pos; lra). nra. }
assert (G : is_lim_seq (fun k => 2 * A * (1 / 2) ^ k) 0).
{ replace (Finite 0) with (Rbar_mult (2 * A) 0) by (simpl; f_equal; ring). apply is_lim_seq_scal_l, is_lim_seq_geom. rewrite Rabs_pos_eq; lra. }
assert (E : ex_finite_lim_seq u).
{ apply ex_lim_seq_cauchy_corr. intro eps. apply is_lim_seq_spec in G. destruct (G (pos_div_2 eps)) as [N HN]. exists N.
  assert (X : forall m, (N <= m)%nat -> Rabs (u m - u N) < eps / 2).
  { intros m L. pose proof (B (m - N)%nat N) as Y. replace (m - N + N)%nat with m in Y by lia. pose proof (HN N (le_n N)) as Z. simpl in Z.
    rewrite Rminus_0_r in Z. apply Rabs_def2 in Z. lra. }
  intros p q Lp Lq. pose proof (X p Lp) as Xp. pose proof (X q Lq) as Xq. apply Rabs_def2 in Xp. apply Rabs_def2 in Xq. apply Rabs_def1; lra. }
destruct E as [l L]. exists l. split; [exact L|]. intro k.
apply (is_lim_seq_incr_n u k) in L.
assert (Y : is_lim_seq (fun j => Rabs (u (j + k)%nat - u k)) (Rabs (l - u k))).
{ apply (is_lim_seq_abs _ (Finite (l - u k))). apply is_lim_seq_minus'; [exact L | apply is_lim_seq_const]. }
apply (is_lim_seq_le _ _ (Finite (Rabs (l - u k))) (Finite (2 * A * (1 / 2) ^ k)) (fun j => B j k) Y). apply is_lim_seq_const.
Qed.

Section Field.
Variables (n : nat) (F : (nat -> R) -> nat -> R) (M : R).
Hypothesis speed : 0 <= M.
Hypothesis bounded : forall x i, (i < n)%nat -> Rabs (F x i) <= M.
Hypothesis lipschitz : forall K, exists L, 0 <= L /\ forall x y i, (i < n)%nat -> box n K x -> box n K y ->
  Rabs (F x i - F y i) <= L * distance n x y.
Variable x0 : nat -> R.

(* Curves that are no faster than the field. *)
Definition slow (c : R -> nat -> R) :=
  (forall i, (i < n)%nat -> c 0 i = x0 i) /\ forall t u i, (i < n)%nat -> Rabs (c t i - c u i) <= M * Rabs (t - u).

Lemma slow_box c T t : slow c -> Rabs t <= T -> box n (Sum n (fun i => Rabs (x0 i)) + M * T) (c t).
Proof.
intros [Z S] B i Hi. pose proof (S t 0 i Hi) as X. rewrite Z, Rminus_0_r in X by exact Hi.
pose proof (abs_below n x0 i Hi) as A.
assert (M * Rabs t <= M * T) by (apply Rmult_le_compat_l; lra).
replace (c t i) with ((c t i - x0 i) + x0 i) by ring. pose proof (Rabs_triang (c t i - x0 i) (x0 i)). lra.
Qed.

Lemma along_continuous c i t : slow c -> (i < n)%nat -> continuous (fun u => F (c u) i) t.
Proof.
intros S Hi. set (T := Rabs t + 1). destruct (lipschitz (Sum n (fun i => Rabs (x0 i)) + M * T)) as [L [L0 H]].
assert (C : forall u, Rabs (u - t) < 1 -> Rabs (F (c u) i - F (c t) i) <= L * (INR n * M) * Rabs (u - t)).
{ intros u U. apply Rle_trans with (L * distance n (c u) (c t)).
  - apply H; [exact Hi | |]; apply slow_box; try exact S; unfold T; [|lra].
    replace u with ((u - t) + t) by ring. pose proof (Rabs_triang (u - t) t). lra.
  - rewrite !Rmult_assoc. apply Rmult_le_compat_l; [exact L0|]. apply distance_le. intros k Hk. apply S, Hk. }
set (Z := L * (INR n * M)) in *. assert (Z0 : 0 <= Z) by (unfold Z; apply Rmult_le_pos; [exact L0 | apply Rmult_le_pos; [apply pos_INR | exact speed]]).
apply continuity_pt_filterlim. intros eps E. exists (Rmin 1 (eps / (Z + 1))). split.
- apply Rmin_glb_lt; [lra | apply Rdiv_lt_0_compat; lra].
- intros u [_ U]. simpl in *. unfold R_dist in *. pose proof (Rmin_l 1 (eps / (Z + 1))). pose proof (Rmin_r 1 (eps / (Z + 1))).
  apply Rle_lt_trans with (Z * Rabs (u - t)); [apply C; lra|]. apply Rle_lt_trans with (Z * (eps / (Z + 1))); [apply Rmult_le_compat_l; lra|].
  apply Rmult_lt_reg_r with (Z + 1); [lra|]. unfold Rdiv. rewrite !Rmult_assoc, Rinv_l by lra. nra.
Qed.

(* Picard's step: the start plus the integral of the field along a curve. *)
Definition picard (c : R -> nat -> R) t i := x0 i + RInt (fun u => F (c u) i) 0 t.

Lemma picard_derive c t i : slow c -> (i < n)%nat -> is_derive (fun u => picard c u i) t (F (c t) i).
Proof.
intros S Hi. unfold picard. evar_last; [apply (sum_derive (fun _ => x0 i) (fun t => RInt (fun u => F (c u) i) 0 t)); [apply @is_derive_const|]|].
- apply (is_derive_RInt (fun u => F (c u) i) _ 0 t); [|apply along_continuous; assumption].
  apply filter_forall. intro u. apply (RInt_correct (V := R_CompleteNormedModule)), (ex_RInt_continuous (V := R_CompleteNormedModule)). intros v _. apply along_continuous; assumption.
- unfold zero; simpl. ring.
Qed.

Lemma picard_start c i : picard c 0 i = x0 i.
Proof. unfold picard. rewrite RInt_point. unfold zero; simpl. ring. Qed.

(* What moves with slopes of at most M is slow. *)
Lemma slopes_slow c (c' : R -> nat -> R) : (forall i, (i < n)%nat -> c 0 i = x0 i) ->
  (forall t i, (i < n)%nat -> is_derive (fun u => c u i) t (c' t i)) -> (forall t i, (i < n)%nat -> Rabs (c' t i) <= M) -> slow c.
Proof.
intros Z D B. split; [exact Z|]. intros t u i Hi. destruct (MVT_gen (fun v => c v i) u t (fun v => c' v i)) as [v [_ E]].
- intros; apply D, Hi.
- intros v _. apply continuity_pt_filterlim, (ex_derive_continuous (fun v => c v i)). eexists; apply D, Hi.
- rewrite E, Rabs_mult. apply Rmult_le_compat_r; [apply Rabs_pos | apply B, Hi].
Qed.

Lemma picard_slow c : slow c -> slow (picard c).
Proof.
intro S. apply slopes_slow with (fun t i => F (c t) i); [intros; apply picard_start | intros; apply picard_derive; assumption | intros; apply bounded; assumption].
Qed.

(* Two curves that come closer by a factor in every step of Picard's: Q is the field's steepness on the box of times up to T. *)
Lemma picard_closer T : 0 <= T -> exists Q, 0 < Q /\ forall a b C, slow a -> slow b -> 0 <= C ->
  (forall t i, Rabs t <= T -> (i < n)%nat -> Rabs (a t i - b t i) <= C * exp (Q * Rabs t)) ->
  forall t i, Rabs t <= T -> (i < n)%nat -> Rabs (picard a t i - picard b t i) <= C * (1 / 2) * exp (Q * Rabs t).
Proof.
intro HT. destruct (lipschitz (Sum n (fun i => Rabs (x0 i)) + M * T)) as [L [L0 H]].
exists (2 * (L * INR n) + 1). assert (NL : 0 <= L * INR n) by (apply Rmult_le_pos; [exact L0 | apply pos_INR]). split; [lra|].
set (Q := 2 * (L * INR n) + 1). intros a b C A B HC D t i Ht Hi.
apply Rle_trans with (C * (L * INR n) / Q * exp (Q * Rabs t)).
- apply (exp_growth (fun t => picard a t i - picard b t i) (fun t => F (a t) i - F (b t) i)).
  + unfold Q; lra.
  + apply Rmult_le_pos; assumption.
  + rewrite !picard_start. ring.
  + intros s _. apply (is_derive_minus (fun t => picard a t i) (fun t => picard b t i)); apply picard_derive; assumption.
  + intros s S. apply Rle_trans with (L * distance n (a s) (b s)); [apply H; [exact Hi | |]; apply slow_box; try assumption; lra|].
    replace (C * (L * INR n) * exp (Q * Rabs s)) with (L * (INR n * (C * exp (Q * Rabs s)))) by ring.
    apply Rmult_le_compat_l; [exact L0|]. apply distance_le. intros k Hk. apply D; [lra | exact Hk].
- pose proof (exp_pos (Q * Rabs t)). apply Rmult_le_compat_r; [lra|]. unfold Rdiv. rewrite Rmult_assoc. apply Rmult_le_compat_l; [exact HC|].
  apply Rmult_le_reg_r with Q; [unfold Q; lra|]. rewrite Rmult_assoc, Rinv_l by (unfold Q; lra). unfold Q. lra.
Qed.

Fixpoint iterate k : R -> nat -> R := match k with O => fun _ => x0 | S k => picard (iterate k) end.

Lemma iterate_slow k : slow (iterate k).
Proof.
induction k as [|k I]; [|apply picard_slow, I]. split; [reflexivity|]. intros t u i _. simpl. rewrite Rminus_eq_0, Rabs_R0.
apply Rmult_le_pos; [exact speed | apply Rabs_pos].
Qed.

Lemma iterate_steps T : 0 <= T -> exists A, 0 <= A /\ forall k t i, Rabs t <= T -> (i < n)%nat ->
  Rabs (iterate (S k) t i - iterate k t i) <= A * (1 / 2) ^ k.
Proof.
intro HT. destruct (picard_closer T HT) as [Q [Q0 H]]. assert (P : 0 <= M * T) by (apply Rmult_le_pos; assumption).
exists (M * T * exp (Q * T)). split; [apply Rmult_le_pos; [exact P | apply Rlt_le, exp_pos]|].
assert (I : forall k t i, Rabs t <= T -> (i < n)%nat -> Rabs (iterate (S k) t i - iterate k t i) <= M * T * (1 / 2) ^ k * exp (Q * Rabs t)).
{ induction k as [|k I]; intros t i Ht Hi.
  - destruct (iterate_slow 1) as [Z S]. pose proof (S t 0 i Hi) as X. rewrite Z, Rminus_0_r in X by exact Hi. simpl (iterate 0 t i).
    apply Rle_trans with (1 := X). simpl. rewrite Rmult_1_r. assert (M * Rabs t <= M * T) by (apply Rmult_le_compat_l; assumption).
    assert (1 <= exp (Q * Rabs t)); [|nra]. rewrite <- exp_0. assert (0 <= Q * Rabs t) as [L | <-] by (apply Rmult_le_pos; [lra | apply Rabs_pos]); [|lra].
    apply Rlt_le, exp_increasing, L.
  - replace (M * T * (1 / 2) ^ S k) with (M * T * (1 / 2) ^ k * (1 / 2)) by (simpl; ring).
    apply (H (iterate (S k)) (iterate k)); try assumption; try apply iterate_slow. apply Rmult_le_pos; [exact P | apply pow_le; lra]. }
intros k t i Ht Hi. apply Rle_trans with (1 := I k t i Ht Hi).
assert (E : exp (Q * Rabs t) <= exp (Q * T)).
{ assert (Q * Rabs t <= Q * T) as [L | ->] by (apply Rmult_le_compat_l; lra); [apply Rlt_le, exp_increasing, L | lra]. }
assert (0 <= M * T * (1 / 2) ^ k) by (apply Rmult_le_pos; [exact P | apply pow_le; lra]). nra.
Qed.

Definition solution t i := real (Lim_seq (fun k => iterate k t i)).

Lemma solution_limit T : 0 <= T -> exists A, 0 <= A /\ forall t i, Rabs t <= T -> (i < n)%nat ->
  is_lim_seq (fun k => iterate k t i) (solution t i) /\ forall k, Rabs (iterate k t i - solution t i) <= A * (1 / 2) ^ k.
Proof.
intro HT. destruct (iterate_steps T HT) as [A [A0 H]]. exists (2 * A). split; [lra|]. intros t i Ht Hi.
destruct (halving (fun k => iterate k t i) A A0 (fun k => H k t i Ht Hi)) as [l [L B]].
assert (E : solution t i = l) by (unfold solution; rewrite (is_lim_seq_unique _ _ L); reflexivity).
rewrite E. split; [exact L|]. intro k. rewrite Rabs_minus_sym. apply B.
Qed.

Lemma solution_slow : slow solution.
Proof.
assert (P : forall t i, (i < n)%nat -> is_lim_seq (fun k => iterate k t i) (solution t i)).
{ intros t i Hi. destruct (solution_limit (Rabs t) (Rabs_pos t)) as [A [_ H]]. apply H; [lra | exact Hi]. }
split.
- intros i Hi. pose proof (P 0 i Hi) as L. apply is_lim_seq_unique in L.
  rewrite (Lim_seq_ext _ (fun _ => x0 i)) in L by (intros k; apply iterate_slow, Hi). rewrite Lim_seq_const in L. injection L. auto.
- intros t u i Hi.
  assert (Y : is_lim_seq (fun k => Rabs (iterate k t i - iterate k u i)) (Rabs (solution t i - solution u i))).
  { apply (is_lim_seq_abs _ (Finite (solution t i - solution u i))), is_lim_seq_minus'; apply P, Hi. }
  apply (is_lim_seq_le _ (fun _ => M * Rabs (t - u)) (Finite (Rabs (solution t i - solution u i))) (Finite (M * Rabs (t - u)))
    (fun k => proj2 (iterate_slow k) t u i Hi) Y), is_lim_seq_const.
Qed.

(* The limit is a fixed point of Picard's step. *)
Lemma solution_fixed t i : (i < n)%nat -> solution t i = picard solution t i.
Proof.
intro Hi. set (T := Rabs t). destruct (solution_limit T (Rabs_pos t)) as [A [A0 H]]. destruct (picard_closer T (Rabs_pos t)) as [Q [Q0 C]].
assert (B : forall k, Rabs (iterate (S k) t i - picard solution t i) <= A * (1 / 2) ^ k * (1 / 2) * exp (Q * Rabs t)).
{ intro k. apply (C (iterate k) solution).
  - apply iterate_slow.
  - apply solution_slow.
  - apply Rmult_le_pos; [exact A0 | apply pow_le; lra].
  - intros s j Hs Hj. destruct (H s j Hs Hj) as [_ X]. apply Rle_trans with (1 := X k).
    assert (0 <= A * (1 / 2) ^ k) by (apply Rmult_le_pos; [exact A0 | apply pow_le; lra]).
    assert (1 <= exp (Q * Rabs s)); [|nra]. rewrite <- exp_0. assert (0 <= Q * Rabs s) as [L | <-] by (apply Rmult_le_pos; [lra | apply Rabs_pos]); [|lra].
    apply Rlt_le, exp_increasing, L.
  - unfold T; lra.
  - exact Hi. }
destruct (H t i ltac:(unfold T; lra) Hi) as [L _]. apply is_lim_seq_incr_1 in L.
assert (Z : is_lim_seq (fun k => iterate (S k) t i) (picard solution t i)).
{ apply (is_lim_seq_le_le (fun k => picard solution t i - A * (1 / 2 * exp (Q * Rabs t)) * (1 / 2) ^ k) _
    (fun k => picard solution t i + A * (1 / 2 * exp (Q * Rabs t)) * (1 / 2) ^ k)).
  - intro k. pose proof (B k) as X. apply Rabs_le_between in X.
    replace (A * (1 / 2) ^ k * (1 / 2) * exp (Q * Rabs t)) with (A * (1 / 2 * exp (Q * Rabs t)) * (1 / 2) ^ k) in X by ring. lra.
  - replace (Finite (picard solution t i)) with (Finite (picard solution t i - A * (1 / 2 * exp (Q * Rabs t)) * 0)) by (f_equal; ring).
    apply is_lim_seq_minus'; [apply is_lim_seq_const|]. apply (is_lim_seq_scal_l _ _ 0), is_lim_seq_geom. rewrite Rabs_pos_eq; lra.
  - replace (Finite (picard solution t i)) with (Finite (picard solution t i + A * (1 / 2 * exp (Q * Rabs t)) * 0)) by (f_equal; ring).
    apply is_lim_seq_plus'; [apply is_lim_seq_const|]. apply (is_lim_seq_scal_l _ _ 0), is_lim_seq_geom. rewrite Rabs_pos_eq; lra. }
apply is_lim_seq_unique in L. apply is_lim_seq_unique in Z. rewrite L in Z. injection Z. auto.
Qed.

(* Any number of coordinates, for all times, forwards and backwards: there is a curve that follows the field from x0, *)
Theorem flow_exists : exists x, follows n F x0 x.
Proof.
exists solution. split; [apply solution_slow|]. intros t i Hi. apply is_derive_ext with (fun u => picard solution u i).
- intro u. symmetry. apply solution_fixed, Hi.
- apply picard_derive; [apply solution_slow | exact Hi].
Qed.

(* and no other. *)
Theorem flow_unique x y : follows n F x0 x -> follows n F x0 y -> forall t i, (i < n)%nat -> x t i = y t i.
Proof.
intros [Zx Dx] [Zy Dy] t i Hi.
assert (Sx : slow x) by (apply slopes_slow with (fun t => F (x t)); [exact Zx | exact Dx | intros; apply bounded; assumption]).
assert (Sy : slow y) by (apply slopes_slow with (fun t => F (y t)); [exact Zy | exact Dy | intros; apply bounded; assumption]).
assert (P : forall c, (forall i, (i < n)%nat -> c 0 i = x0 i) -> (forall t i, (i < n)%nat -> is_derive (fun u => c u i) t (F (c t) i)) -> slow c ->
  forall t i, (i < n)%nat -> picard c t i = c t i).
{ intros c Z D S u j Hj. set (h v := picard c v j - c v j).
  assert (DH : forall v, is_derive h v 0).
  { intro v. evar_last; [apply (is_derive_minus (fun v => picard c v j) (fun v => c v j)); [apply picard_derive; assumption | apply D, Hj]|].
    unfold minus, plus, opp; simpl. ring. }
  assert (E : h u = h 0).
  { destruct (Rtotal_order u 0) as [L|[->|L]]; [| reflexivity | symmetry]; apply (eq_is_derive h); (exact L || intros; apply DH). }
  unfold h in E. rewrite picard_start, Z in E by exact Hj. lra. }
set (T := Rabs t). destruct (picard_closer T (Rabs_pos t)) as [Q [Q0 C]]. assert (MT : 0 <= 2 * (M * T)) by (unfold T; pose proof (Rabs_pos t); nra).
assert (B : forall k s j, Rabs s <= T -> (j < n)%nat -> Rabs (x s j - y s j) <= 2 * (M * T) * (1 / 2) ^ k * exp (Q * Rabs s)).
{ induction k as [|k I]; intros s j Hs Hj.
  - pose proof (proj2 Sx s 0 j Hj) as X. pose proof (proj2 Sy s 0 j Hj) as Y. rewrite Zx, Rminus_0_r in X by exact Hj. rewrite Zy, Rminus_0_r in Y by exact Hj.
    replace (x s j - y s j) with ((x s j - x0 j) - (y s j - x0 j)) by ring.
    pose proof (Rabs_triang (x s j - x0 j) (- (y s j - x0 j))) as R3. rewrite Rabs_Ropp in R3.
    assert (M * Rabs s <= M * T) by (apply Rmult_le_compat_l; assumption).
    assert (E1 : 1 <= exp (Q * Rabs s)).
    { rewrite <- exp_0. assert (0 <= Q * Rabs s) as [L | <-] by (apply Rmult_le_pos; [lra | apply Rabs_pos]); [|lra]. apply Rlt_le, exp_increasing, L. }
    unfold Rminus at 1. simpl. rewrite Rmult_1_r. nra.
  - replace (2 * (M * T) * (1 / 2) ^ S k) with (2 * (M * T) * (1 / 2) ^ k * (1 / 2)) by (simpl; ring).
    rewrite <- (P x Zx Dx Sx s j Hj), <- (P y Zy Dy Sy s j Hj). apply C; try assumption. apply Rmult_le_pos; [exact MT | apply pow_le; lra]. }
assert (L : Rbar_le (Rabs (x t i - y t i)) 0).
{ apply (is_lim_seq_le (fun _ => Rabs (x t i - y t i)) (fun k => 2 * (M * T) * exp (Q * T) * (1 / 2) ^ k)).
  - intro k. pose proof (B k t i ltac:(unfold T; lra) Hi) as X. fold T in X. lra.
  - apply is_lim_seq_const.
  - replace (Finite 0) with (Finite (2 * (M * T) * exp (Q * T) * 0)) by (f_equal; ring).
    apply (is_lim_seq_scal_l _ _ 0), is_lim_seq_geom. rewrite Rabs_pos_eq; lra. }
simpl in L. pose proof (Rabs_pos (x t i - y t i)). destruct (Req_dec (x t i - y t i) 0) as [Z|N]; [lra|]. pose proof (Rabs_pos_lt _ N). lra.
Qed.
End Field.
