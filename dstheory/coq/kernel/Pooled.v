(* G2-pooled: the gain split with one p per log, for any distribution of p over problems and any cap on attempts. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia FunctionalExtensionality.
From Kernel Require Import Sums Expectation.
Open Scope R_scope.

Definition onwards a b p := p * (1 - a) + (1 - p) * b.
(* At most k + 1 attempts, the last one submitted, or no cap: accuracy and mean number of attempts of a problem with this p. *)
Fixpoint capped_accuracy a b k p := match k with O => p | S k => p * a + onwards a b p * capped_accuracy a b k p end.
Fixpoint capped_attempts a b k p := match k with O => 1 | S k => 1 + onwards a b p * capped_attempts a b k p end.
Inductive cap := at_most (k : nat) | no_cap.
Definition V c a b p := match c with at_most k => capped_accuracy a b (S k) p | no_cap => p * a / (1 - onwards a b p) end.
Definition K c a b p := match c with at_most k => capped_attempts a b (S k) p | no_cap => 1 / (1 - onwards a b p) end.

Section Decisions.
Variables a b : R.
Hypothesis A : 0 < a < 1.
Hypothesis B : 0 < b < 1.

Lemma onwards_in p : 0 < p < 1 -> 0 < onwards a b p < 1.
Proof. intro P. unfold onwards. nra. Qed.
Lemma onwards_minus x y : onwards a b x - onwards a b y = (1 - a - b) * (x - y).
Proof. unfold onwards. ring. Qed.

Lemma capped_in k p : 0 < p < 1 -> 0 <= capped_accuracy a b k p <= 1 /\ 1 <= capped_attempts a b k p.
Proof.
intro P. pose proof (onwards_in p P) as Q. induction k as [|k [[I J] L]]; simpl; [lra|].
assert (p * a + onwards a b p <= 1) by (unfold onwards; nra). assert (0 < p * a) by (apply Rmult_lt_0_compat; lra). split; [split|]; nra.
Qed.

(* The accuracy rises strictly with p. *)
Lemma V_rises c x y : 0 < y < x -> x < 1 -> V c a b y < V c a b x.
Proof.
intros H X. destruct c as [k|]; unfold V.
- assert (M : forall k, capped_accuracy a b k y < capped_accuracy a b k x); [|apply M].
  clear k. induction k as [|k I]; simpl; [lra|].
  destruct (capped_in k y ltac:(lra)) as [[U W] _]. pose proof (onwards_in x ltac:(lra)) as Q. pose proof (onwards_minus x y) as D.
  set (vx := capped_accuracy a b k x) in *. set (vy := capped_accuracy a b k y) in *.
  assert (E : x * a + onwards a b x * vx - (y * a + onwards a b y * vy) = (x - y) * (a * (1 - vy) + (1 - b) * vy) + onwards a b x * (vx - vy)) by (unfold onwards; ring).
  assert (0 <= (x - y) * (a * (1 - vy) + (1 - b) * vy)) by (apply Rmult_le_pos; [lra|]; apply Rplus_le_le_0_compat; apply Rmult_le_pos; lra).
  assert (0 < onwards a b x * (vx - vy)) by (apply Rmult_lt_0_compat; lra). lra.
- pose proof (onwards_in x ltac:(lra)). pose proof (onwards_in y ltac:(lra)).
  assert (E : x * a / (1 - onwards a b x) - y * a / (1 - onwards a b y) = (x - y) * (a * (1 - b)) / ((1 - onwards a b x) * (1 - onwards a b y)))
    by (unfold onwards in *; field; lra).
  assert (0 < (x - y) * (a * (1 - b)) / ((1 - onwards a b x) * (1 - onwards a b y))).
  { apply Rdiv_lt_0_compat; apply Rmult_lt_0_compat; try lra. apply Rmult_lt_0_compat; lra. } lra.
Qed.

Lemma K_least c p : 0 < p < 1 -> 1 <= K c a b p.
Proof.
intro P. pose proof (onwards_in p P) as Q. destruct c as [k|]; unfold K; [apply (capped_in (S k) p P)|].
apply Rmult_le_reg_r with (1 - onwards a b p); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.

(* The larger p makes more attempts if a + b < 1, fewer if a + b > 1, as many if a + b = 1. *)
Lemma K_difference c x y : 0 < y < x -> x < 1 -> exists w, x - y <= w /\ K c a b x - K c a b y = (1 - a - b) * w.
Proof.
intros H X. pose proof (onwards_in x ltac:(lra)) as QX. pose proof (onwards_in y ltac:(lra)) as QY. destruct c as [k|]; unfold K.
- induction k as [|k [w [W E]]].
  + exists (x - y). split; [lra|]. simpl. pose proof (onwards_minus x y). lra.
  + destruct (capped_in (S k) y ltac:(lra)) as [_ L]. exists ((x - y) * capped_attempts a b (S k) y + onwards a b x * w). split.
    * assert (0 <= onwards a b x * w) by (apply Rmult_le_pos; lra). nra.
    * change (1 + onwards a b x * capped_attempts a b (S k) x - (1 + onwards a b y * capped_attempts a b (S k) y)
        = (1 - a - b) * ((x - y) * capped_attempts a b (S k) y + onwards a b x * w)).
      replace (capped_attempts a b (S k) x) with (capped_attempts a b (S k) y + (1 - a - b) * w) by lra. pose proof (onwards_minus x y) as D.
      set (u := capped_attempts a b (S k) y) in *. replace (onwards a b y) with (onwards a b x - (1 - a - b) * (x - y)) by lra. ring.
- exists ((x - y) / ((1 - onwards a b x) * (1 - onwards a b y))). split; [|unfold onwards in *; field; lra].
  assert (D : 0 < (1 - onwards a b x) * (1 - onwards a b y)) by (apply Rmult_lt_0_compat; lra).
  apply Rmult_le_reg_r with (1 := D). unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. apply Rmult_le_compat_l; [lra|]. nra.
Qed.

Lemma K_product c x y : 0 < x < 1 -> 0 < y < 1 -> exists v, (x - y) ^ 2 <= v /\ (x - y) * (K c a b x - K c a b y) = (1 - a - b) * v.
Proof.
intros X Y. destruct (Rtotal_order x y) as [H|[H|H]].
- destruct (K_difference c y x ltac:(lra) ltac:(lra)) as [w [W E]]. exists ((y - x) * w). split; [nra|].
  replace (K c a b x - K c a b y) with (- ((1 - a - b) * w)) by lra. ring.
- exists 0. subst. split; [right; ring | ring].
- destruct (K_difference c x y ltac:(lra) ltac:(lra)) as [w [W E]]. exists ((x - y) * w). split; [nra|]. rewrite E. ring.
Qed.

(* Mean attempts are continuous in p and bounded. *)
Lemma onwards_continuous x : continuous (onwards a b) x.
Proof. apply @ex_derive_continuous. unfold onwards. auto_derive. exact I. Qed.
Lemma K_tame c : (forall x, 0 < x < 1 -> continuous (K c a b) x) /\ exists B, forall x, 0 < x < 1 -> Rabs (K c a b x) <= B.
Proof.
destruct c as [k|]; unfold K.
- assert (T : forall k, (forall x, continuous (capped_attempts a b k) x) /\ forall x, 0 < x < 1 -> capped_attempts a b k x <= INR (S k)).
  { clear k. induction k as [|k [C W]].
    - split; [intro x; apply continuous_const | intros; simpl; lra].
    - split.
      + intro x. apply (continuous_plus (fun _ => 1) (fun x => onwards a b x * capped_attempts a b k x)); [apply continuous_const|].
        apply (continuous_mult (onwards a b) (capped_attempts a b k)); [apply onwards_continuous | apply C].
      + intros x H. pose proof (onwards_in x H) as Q. pose proof (W x H) as L. destruct (capped_in k x H) as [_ G]. rewrite S_INR.
        change (1 + onwards a b x * capped_attempts a b k x <= INR (S k) + 1). nra. }
  split; [intros x _; apply T|]. exists (INR (S (S k))). intros x H. destruct (capped_in (S k) x H) as [_ G]. rewrite Rabs_pos_eq by lra. apply T, H.
- split.
  + intros x H. pose proof (onwards_in x H). apply @ex_derive_continuous. unfold onwards in *. auto_derive. lra.
  + exists (/ (a * (1 - b))). assert (P : 0 < a * (1 - b)) by (apply Rmult_lt_0_compat; lra). intros x H. pose proof (onwards_in x H) as Q.
    assert (L : a * (1 - b) <= 1 - onwards a b x) by (assert (E : 1 - onwards a b x = a * (1 - b) + (x * (a * b) + (1 - x) * ((1 - b) * (1 - a)))) by (unfold onwards; ring);
      assert (0 <= x * (a * b) + (1 - x) * ((1 - b) * (1 - a))) by (apply Rplus_le_le_0_compat; repeat apply Rmult_le_pos; lra); lra). unfold Rdiv. rewrite Rmult_1_l.
    rewrite Rabs_pos_eq by (apply Rlt_le, Rinv_0_lt_compat; lra). apply Rinv_le_contravar; assumption.
Qed.
End Decisions.

(* Problems of any kind, with any distribution: bounded continuous functions of p have a mean, and what is positive has a positive one. *)
Section Problems.
Variables (A : Type) (ok : (A -> R) -> Prop) (E : (A -> R) -> R) (p : A -> R) (c : cap).
Hypothesis mean : expectation ok E.
Hypothesis strict : forall f, ok f -> (forall x, 0 < f x) -> 0 < E f.
Hypothesis tame : forall g, (forall x, 0 < x < 1 -> continuous g x) -> (exists B, forall x, 0 < x < 1 -> Rabs (g x) <= B) -> ok (fun x => g (p x)).
Hypothesis inside : forall x, 0 < p x < 1.
(* Cov(p_x, K), and the pooled p of a log: right attempts over attempts, in the limit of many problems. *)
Definition attempts_at a b x := K c a b (p x).
Definition covariance a b := E (fun x => (p x - E p) * (attempts_at a b x - E (attempts_at a b))).
Definition pooled_p a b := E (fun x => p x * attempts_at a b x) / E (attempts_at a b).
(* What the split of the two pooled chains gives to sampling: the pooled p changes, under either decisions. *)
Definition part_of_sampling a b a' b' := ((V c a b (pooled_p a' b') - V c a b (pooled_p a b)) + (V c a' b' (pooled_p a' b') - V c a' b' (pooled_p a b))) / 2.

Lemma ok_p : ok p.
Proof.
apply (tame (fun x => x)); [intros; apply continuous_id|]. exists 1. intros x H. rewrite Rabs_pos_eq; lra.
Qed.
Lemma ok_product g h : (forall x, 0 < x < 1 -> continuous g x) /\ (exists B, forall x, 0 < x < 1 -> Rabs (g x) <= B) ->
  (forall x, 0 < x < 1 -> continuous h x) /\ (exists B, forall x, 0 < x < 1 -> Rabs (h x) <= B) -> ok (fun x => g (p x) * h (p x)).
Proof.
intros [G [B GB]] [H [C HC]]. apply (tame (fun x => g x * h x)).
- intros x I. apply (continuous_mult g h); [apply G, I | apply H, I].
- exists (B * C). intros x I. rewrite Rabs_mult. apply Rmult_le_compat; try apply Rabs_pos; [apply GB, I | apply HC, I].
Qed.
Lemma p_tame : (forall x, 0 < x < 1 -> continuous (fun x : R => x) x) /\ exists B, forall x, 0 < x < 1 -> Rabs x <= B.
Proof. split; [intros; apply continuous_id|]. exists 1. intros x H. rewrite Rabs_pos_eq; lra. Qed.
Lemma ok_square : ok (fun x => p x ^ 2).
Proof. replace (fun x => p x ^ 2) with (fun x => p x * p x) by (extensionality x; ring). apply (ok_product (fun x => x) (fun x => x)); apply p_tame. Qed.
Lemma p_inside : 0 < E p < 1.
Proof.
split; [apply strict; [apply ok_p | intro; apply inside]|]. destruct (mean_line A ok E mean (-1) p 0 p 1 ok_p ok_p) as [O L].
assert (0 < E (fun x => -1 * p x + 0 * p x + 1)); [|lra]. apply strict; [exact O|]. intro x. pose proof (inside x). lra.
Qed.

Section At.
Variables a b : R.
Hypothesis HA : 0 < a < 1.
Hypothesis HB : 0 < b < 1.
Notation k := (attempts_at a b).
Lemma ok_attempts : ok k.
Proof. apply (tame (K c a b)); apply (K_tame a b HA HB c). Qed.
Lemma ok_right : ok (fun x => p x * k x).
Proof. apply (ok_product (fun x => x) (K c a b)); [apply p_tame | apply (K_tame a b HA HB c)]. Qed.

Lemma E_attempts : 1 <= E k.
Proof.
rewrite <- (proj2 (mean_const A ok E mean 1)). apply (mean_le A ok E mean); [apply (mean_const A ok E mean) | exact ok_attempts|].
intro x. apply (K_least a b HA HB c), inside.
Qed.

(* With any number z in place of E K. *)
Lemma covariance_form z : ok (fun x => (p x - E p) * (k x - z)) /\ covariance a b = E (fun x => (p x - E p) * (k x - z))
  /\ covariance a b = E (fun x => p x * k x) - E p * E k.
Proof.
assert (F : forall z, ok (fun x => (p x - E p) * (k x - z)) /\ E (fun x => (p x - E p) * (k x - z)) = E (fun x => p x * k x) - E p * E k).
{ intro y. destruct (mean_line A ok E mean 1 _ (- E p) _ (y * E p) ok_right ok_attempts) as [O1 L1].
  destruct (mean_line A ok E mean 1 _ (- y) _ 0 O1 ok_p) as [O L].
  replace (fun x => (p x - E p) * (k x - y)) with (fun x => 1 * (1 * (p x * k x) + - E p * k x + y * E p) + - y * p x + 0) by (extensionality x; ring).
  split; [exact O|]. rewrite L, L1. ring. }
split; [apply F|]. unfold covariance. rewrite (proj2 (F z)), (proj2 (F (E k))). split; reflexivity.
Qed.

Lemma pooled_form : pooled_p a b = E p + covariance a b / E k.
Proof. pose proof E_attempts. rewrite (proj2 (proj2 (covariance_form 0))). unfold pooled_p. field. lra. Qed.

Lemma pooled_inside : 0 < pooled_p a b < 1.
Proof.
pose proof E_attempts as E1. assert (L : forall x, 1 <= k x) by (intro x; apply (K_least a b HA HB c), inside).
assert (N : 0 < E (fun x => p x * k x)) by (apply strict; [exact ok_right|]; intro x; pose proof (inside x); pose proof (L x); apply Rmult_lt_0_compat; lra).
assert (U : 0 < E (fun x => 1 * k x + -1 * (p x * k x) + 0)).
{ apply strict; [apply (mean_line A ok E mean); [exact ok_attempts | exact ok_right]|]. intro x. pose proof (inside x). pose proof (L x). nra. }
rewrite (proj2 (mean_line A ok E mean 1 _ (-1) _ 0 ok_attempts ok_right)) in U.
unfold pooled_p. split; [apply Rdiv_lt_0_compat; lra|]. apply Rmult_lt_reg_r with (E k); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.

(* Cov(p_x, K) is the mean of (p_x - m)(K_x - K(m)), m the mean p. So it has the sign of 1 - a - b unless all p_x are equal (their
   variance is 0), and is 0 then. *)
Theorem covariance_sign :
  (0 < spread A E p -> (covariance a b > 0 <-> a + b < 1) /\ (covariance a b = 0 <-> a + b = 1) /\ (covariance a b < 0 <-> a + b > 1))
  /\ (spread A E p = 0 -> covariance a b = 0).
Proof.
set (m := E p). pose proof p_inside as MI. fold m in MI. destruct (covariance_form (K c a b m)) as [O [F _]]. fold m in O, F.
destruct (spread_form A ok E mean p ok_p ok_square) as [S _]. fold m in S.
destruct (mean_scal A ok E mean (1 - a - b) _ S) as [SI SE]. change (E (fun x => (p x - m) ^ 2)) with (spread A E p) in SE.
split.
- intro Var. assert (P : a + b < 1 -> covariance a b > 0).
  { intro H. assert ((1 - a - b) * spread A E p <= covariance a b); [|nra]. rewrite F, <- SE. apply (mean_le A ok E mean); [exact SI | exact O|].
    intro x. destruct (K_product a b HA HB c (p x) m (inside x) MI) as [v [W D]]. unfold attempts_at. rewrite D. apply Rmult_le_compat_l; lra. }
  assert (N : a + b > 1 -> covariance a b < 0).
  { intro H. assert (covariance a b <= (1 - a - b) * spread A E p); [|nra]. rewrite F, <- SE. apply (mean_le A ok E mean); [exact O | exact SI|].
    intro x. destruct (K_product a b HA HB c (p x) m (inside x) MI) as [v [W D]]. unfold attempts_at. rewrite D. nra. }
  assert (Z : a + b = 1 -> covariance a b = 0).
  { intro H. rewrite F. transitivity (E (fun _ => 0)); [f_equal; extensionality x|apply (mean_const A ok E mean)].
    destruct (K_product a b HA HB c (p x) m (inside x) MI) as [v [_ D]]. unfold attempts_at. rewrite D. replace (1 - a - b) with 0 by lra. ring. }
  destruct (Rtotal_order (a + b) 1) as [H|[H|H]]; [pose proof (P H) | pose proof (Z H) | pose proof (N H)]; repeat split; intro; lra.
- intro Var. set (z := E k). destruct (covariance_form z) as [O1 [F1 _]]. fold m in O1, F1.
  assert (K2 : ok (fun x => k x ^ 2)).
  { replace (fun x => k x ^ 2) with (fun x => k x * k x) by (extensionality x; ring). apply (ok_product (K c a b) (K c a b)); apply (K_tame a b HA HB c). }
  destruct (spread_form A ok E mean k ok_attempts K2) as [SK _]. fold z in SK.
  assert (Q : forall t, 0 <= 2 * t * covariance a b + spread A E k).
  { intro t. destruct (mean_line A ok E mean (2 * t) _ 1 _ 0 O1 SK) as [J1 L1]. destruct (mean_line A ok E mean (t ^ 2) _ 1 _ 0 S J1) as [J L].
    rewrite L1 in L. rewrite <- F1 in L. change (E (fun x => (p x - m) ^ 2)) with (spread A E p) in L. change (E (fun x => (k x - z) ^ 2)) with (spread A E k) in L. rewrite Var in L.
    replace (2 * t * covariance a b + spread A E k) with (t ^ 2 * 0 + 1 * (2 * t * covariance a b + 1 * spread A E k + 0) + 0) by ring. rewrite <- L.
    apply (mean_nonneg A ok E mean); [exact J|]. intro x. pose proof (pow2_ge_0 (t * (p x - m) + (k x - z))). lra. }
  destruct (Req_dec (covariance a b) 0) as [H|H]; [exact H|]. pose proof (Q (- (spread A E k + 1) / (2 * covariance a b))) as B.
  replace (2 * (- (spread A E k + 1) / (2 * covariance a b)) * covariance a b) with (- (spread A E k + 1)) in B by (field; exact H). lra.
Qed.
End At.

(* Sampling that is the same for both models gets a part with the sign of the difference of the covariances over mean attempts. *)
Theorem part_sign a b a' b' : 0 < a < 1 -> 0 < b < 1 -> 0 < a' < 1 -> 0 < b' < 1 ->
  let d := covariance a' b' / E (attempts_at a' b') - covariance a b / E (attempts_at a b) in let part := part_of_sampling a b a' b' in
  (part > 0 <-> d > 0) /\ (part = 0 <-> d = 0) /\ (part < 0 <-> d < 0).
Proof.
intros A0 B A' B' d part. assert (D : pooled_p a' b' - pooled_p a b = d) by (rewrite !pooled_form by assumption; unfold d; ring).
pose proof (pooled_inside a b A0 B) as P. pose proof (pooled_inside a' b' A' B') as P'.
assert (U : d > 0 -> part > 0).
{ intro H. pose proof (V_rises a b A0 B c (pooled_p a' b') (pooled_p a b) ltac:(lra) ltac:(lra)).
  pose proof (V_rises a' b' A' B' c (pooled_p a' b') (pooled_p a b) ltac:(lra) ltac:(lra)). unfold part, part_of_sampling. lra. }
assert (W : d < 0 -> part < 0).
{ intro H. pose proof (V_rises a b A0 B c (pooled_p a b) (pooled_p a' b') ltac:(lra) ltac:(lra)).
  pose proof (V_rises a' b' A' B' c (pooled_p a b) (pooled_p a' b') ltac:(lra) ltac:(lra)). unfold part, part_of_sampling. lra. }
assert (Z : d = 0 -> part = 0) by (intro H; unfold part, part_of_sampling; replace (pooled_p a' b') with (pooled_p a b) by lra; lra).
destruct (Rtotal_order d 0) as [H|[H|H]]; [pose proof (W H) | pose proof (Z H) | pose proof (U H)]; repeat split; intro; lra.
Qed.

(* So the part is negative where a + b <= 1 before and a + b > 1 after. *)
Theorem part_negative a b a' b' : 0 < a < 1 -> 0 < b < 1 -> 0 < a' < 1 -> 0 < b' < 1 -> 0 < spread A E p ->
  a + b <= 1 -> a' + b' > 1 -> part_of_sampling a b a' b' < 0.
Proof.
intros A0 B A' B' N L M. apply (part_sign a b a' b' A0 B A' B'). pose proof (E_attempts a b A0 B) as E1. pose proof (E_attempts a' b' A' B') as E2.
destruct (covariance_sign a b A0 B) as [C _]. destruct (C N) as [C1 [C2 _]]. destruct (covariance_sign a' b' A' B') as [C' _]. destruct (C' N) as [_ [_ C3]].
assert (U : covariance a' b' / E (attempts_at a' b') < 0).
{ unfold Rdiv. pose proof (Rinv_0_lt_compat (E (attempts_at a' b')) ltac:(lra)). pose proof (proj2 C3 M). nra. }
assert (W : 0 <= covariance a b / E (attempts_at a b)).
{ apply Rmult_le_pos; [|apply Rlt_le, Rinv_0_lt_compat; lra]. destruct L as [L|L]; [pose proof (proj2 C1 L); lra | rewrite (proj2 C2 L); lra]. }
lra.
Qed.
End Problems.

(* Finitely many problems, with weights, are a case: *)
Definition weighted X rho (f : nat -> R) := Sum X (fun x => rho x * f x).
Example weighted_problems X rho : (forall x, (x < X)%nat -> 0 <= rho x) -> Sum X rho = 1 ->
  expectation (fun _ => True) (weighted X rho) /\ forall f, (forall x, 0 < f x) -> 0 < weighted X rho f.
Proof.
intros P S. unfold weighted. assert (L : forall f g, (forall x, f x <= g x) -> Sum X (fun x => rho x * f x) <= Sum X (fun x => rho x * g x)).
{ intros f g H. apply Sum_le. intros x I. apply Rmult_le_compat_l; [apply P, I | apply H]. }
split; [split; [|split; [|split]]|].
- intro c. rewrite Sum_scal_r, S. split; [exact I | ring].
- intros c f _. rewrite <- Sum_scal. split; [exact I|]. apply Sum_ext. intros. ring.
- intros f g _ _. rewrite <- Sum_plus. split; [exact I|]. apply Sum_ext. intros. ring.
- intros f g _ _. apply L.
- intros f H. assert (T : forall x, (x < X)%nat -> 0 <= rho x * f x) by (intros x I; apply Rmult_le_pos; [apply P, I | apply Rlt_le, H]).
  destruct (Rle_lt_or_eq_dec _ _ (Sum_nonneg X _ T)) as [G|Z]; [exact G|]. symmetry in Z. exfalso.
  assert (Sum X rho = 0); [|lra]. apply Sum_zero. intros x I. pose proof (Sum_zero_each X _ T Z x I) as M. pose proof (H x).
  apply Rmult_integral in M. destruct M; lra.
Qed.
(* for instance half of them have p 4/5, half 1/5; a and b go from 1/2 to 9/10. *)
Example two_kinds : let rho (_ : nat) := 1 / 2 in let p x := match x with O => 4 / 5 | _ => 1 / 5 end in
  Sum 2 rho = 1 /\ (forall x, (x < 2)%nat -> 0 < p x < 1) /\ p 0%nat <> p 1%nat
  /\ part_of_sampling nat (weighted 2 rho) p (at_most 0) (1 / 2) (1 / 2) (9 / 10) (9 / 10) = - 489216 / 10000000.
Proof.
split; [simpl; field|]. split; [intros [|x] _; lra|]. split; [lra|].
unfold part_of_sampling, pooled_p, weighted, attempts_at, onwards. simpl. unfold onwards. field.
Qed.

(* Another distribution: p is uniform on [1/4, 3/4]. *)
Definition everywhere (f : R -> R) := forall u, 0 <= u <= 1 -> continuous f u.
Definition uniform_mean (f : R -> R) : R := RInt f 0 1.
Definition spaced u := 1 / 2 + (Rabs u - Rabs (u - 1)) / 4.

Lemma everywhere_integrable f : everywhere f -> ex_RInt f 0 1.
Proof. intro H. apply (ex_RInt_continuous f). intros u I. apply H. rewrite Rmin_left, Rmax_right in I by lra. exact I. Qed.
Lemma uniform_expectation : expectation everywhere uniform_mean.
Proof.
unfold uniform_mean. split; [|split; [|split]].
- intro c. split; [intros u _; apply continuous_const|]. rewrite RInt_const. unfold scal; simpl; unfold mult; simpl. ring.
- intros c f F. split; [intros u I; apply (continuous_scal_r c f), F, I|]. apply (RInt_scal f 0 1 c), everywhere_integrable, F.
- intros f g F G. split; [intros u I; apply (continuous_plus f g); [apply F, I | apply G, I]|].
  apply (RInt_plus f g 0 1); apply everywhere_integrable; assumption.
- intros f g F G H. apply RInt_le; [lra | apply everywhere_integrable, F | apply everywhere_integrable, G | intros; apply H].
Qed.

Lemma spaced_inside u : 0 < spaced u < 1.
Proof. unfold spaced. pose proof (Rabs_triang_inv u (u - 1)) as P. pose proof (Rabs_triang_inv (u - 1) u) as Q.
replace (u - (u - 1)) with 1 in P by ring. replace (u - 1 - u) with (- (1)) in Q by ring. rewrite Rabs_Ropp in Q. rewrite Rabs_R1 in *. lra. Qed.
Lemma spaced_continuous u : continuous spaced u.
Proof.
apply (continuous_plus (fun _ => 1 / 2) (fun u => (Rabs u - Rabs (u - 1)) / 4)); [apply continuous_const|].
apply (continuous_mult (fun u => Rabs u - Rabs (u - 1)) (fun _ => / 4)); [|apply continuous_const].
apply (continuous_minus Rabs (fun u => Rabs (u - 1))); [apply continuous_Rabs|]. apply (continuous_comp (fun u => u - 1) Rabs); [|apply continuous_Rabs].
apply (continuous_minus (fun u => u) (fun _ => 1)); [apply continuous_id | apply continuous_const].
Qed.

Example part_negative_met c : part_of_sampling R uniform_mean spaced c (1 / 2) (1 / 2) (9 / 10) (9 / 10) < 0.
Proof.
assert (S : forall u, 0 < u < 1 -> spaced u = 1 / 4 + u / 2) by (intros u H; unfold spaced; rewrite Rabs_pos_eq, (Rabs_left1 (u - 1)) by lra; lra).
assert (M : uniform_mean spaced = 1 / 2).
{ unfold uniform_mean. rewrite (RInt_ext spaced (fun u => 1 / 4 + u / 2)) by (intros u I; rewrite Rmin_left, Rmax_right in I by lra; apply S, I).
  apply is_RInt_unique. replace (1 / 2) with (minus ((fun u => u / 4 + u ^ 2 / 4) 1) ((fun u => u / 4 + u ^ 2 / 4) 0)) by (unfold minus, plus, opp; simpl; field).
  apply (is_RInt_derive (fun u => u / 4 + u ^ 2 / 4)); intros u _; [auto_derive; [exact I | field]|].
  apply @ex_derive_continuous. auto_derive. exact I. }
assert (W : spread R uniform_mean spaced = 1 / 48).
{ unfold spread. rewrite M. unfold uniform_mean. rewrite (RInt_ext _ (fun u => (u / 2 - 1 / 4) ^ 2)) by (intros u I; rewrite Rmin_left, Rmax_right in I by lra; rewrite S by exact I; real; field).
  apply is_RInt_unique. replace (1 / 48) with (minus ((fun u => (u / 2 - 1 / 4) ^ 3 * 2 / 3) 1) ((fun u => (u / 2 - 1 / 4) ^ 3 * 2 / 3) 0)) by (unfold minus, plus, opp; simpl; field).
  apply (is_RInt_derive (fun u => (u / 2 - 1 / 4) ^ 3 * 2 / 3)); intros u _; [auto_derive; [exact I | field]|].
  apply @ex_derive_continuous. auto_derive. exact I. }
apply part_negative with everywhere; try lra; [exact uniform_expectation| | |exact spaced_inside].
- intros f F P. apply RInt_gt_0; [lra | intros; apply P | exact F].
- intros g G _ u _. apply (continuous_comp spaced g); [apply spaced_continuous | apply G, spaced_inside].
Qed.
