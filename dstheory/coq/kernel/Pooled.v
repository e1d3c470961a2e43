(* G2-pooled: the gain split with one p per log, for any distribution over any number of problems and any cap on attempts. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums.
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
Lemma K_difference c x y : 0 < y < x -> x < 1 -> exists w, 0 < w /\ K c a b x - K c a b y = (1 - a - b) * w.
Proof.
intros H X. pose proof (onwards_in x ltac:(lra)) as QX. pose proof (onwards_in y ltac:(lra)) as QY. destruct c as [k|]; unfold K.
- induction k as [|k [w [W E]]].
  + exists (x - y). split; [lra|]. simpl. pose proof (onwards_minus x y). lra.
  + destruct (capped_in (S k) y ltac:(lra)) as [_ L]. exists ((x - y) * capped_attempts a b (S k) y + onwards a b x * w). split.
    * apply Rplus_lt_0_compat; apply Rmult_lt_0_compat; lra.
    * change (1 + onwards a b x * capped_attempts a b (S k) x - (1 + onwards a b y * capped_attempts a b (S k) y)
        = (1 - a - b) * ((x - y) * capped_attempts a b (S k) y + onwards a b x * w)).
      replace (capped_attempts a b (S k) x) with (capped_attempts a b (S k) y + (1 - a - b) * w) by lra. pose proof (onwards_minus x y) as D.
      set (u := capped_attempts a b (S k) y) in *. replace (onwards a b y) with (onwards a b x - (1 - a - b) * (x - y)) by lra. ring.
- exists ((x - y) / ((1 - onwards a b x) * (1 - onwards a b y))). split; [apply Rdiv_lt_0_compat; [lra | apply Rmult_lt_0_compat; lra]|].
  unfold onwards in *. field. lra.
Qed.
End Decisions.

Section Problems.
Variables (X : nat) (rho p : nat -> R) (c : cap).
Hypothesis weights : Sum X rho = 1.
Hypothesis weighed : forall x, (x < X)%nat -> 0 < rho x.
Hypothesis inside : forall x, (x < X)%nat -> 0 < p x < 1.
Definition over_problems f := Sum X (fun x => rho x * f x).
Notation E := over_problems.
(* Cov(p_x, K), and the pooled p of a log: right attempts over attempts, in the limit of many problems. *)
Definition attempts_at a b x := K c a b (p x).
Definition covariance a b := E (fun x => (p x - E p) * (attempts_at a b x - E (attempts_at a b))).
Definition pooled_p a b := E (fun x => p x * attempts_at a b x) / E (attempts_at a b).
(* What the split of the two pooled chains gives to sampling: the pooled p changes, under either decisions. *)
Definition part_of_sampling a b a' b' := ((V c a b (pooled_p a' b') - V c a b (pooled_p a b)) + (V c a' b' (pooled_p a' b') - V c a' b' (pooled_p a b))) / 2.

Lemma E_attempts a b : 0 < a < 1 -> 0 < b < 1 -> 1 <= E (attempts_at a b).
Proof.
intros A B. unfold over_problems. rewrite <- weights. apply Sum_le. intros x H. pose proof (weighed x H). pose proof (K_least a b A B c (p x) (inside x H)).
unfold attempts_at. nra.
Qed.

Lemma covariance_form a b : covariance a b = E (fun x => p x * attempts_at a b x) - E p * E (attempts_at a b).
Proof.
unfold covariance. set (k := attempts_at a b). set (m := E p). set (n := E k). unfold over_problems.
rewrite (Sum_ext X _ (fun x => rho x * (p x * k x) + ((- n) * (rho x * p x) + ((- m) * (rho x * k x) + (m * n) * rho x)))) by (intros; ring).
rewrite !Sum_plus, !Sum_scal, weights. fold (E p) (E k) (E (fun x => p x * k x)). fold m n. ring.
Qed.

Lemma pooled_form a b : 0 < a < 1 -> 0 < b < 1 -> pooled_p a b = E p + covariance a b / E (attempts_at a b).
Proof. intros A B. pose proof (E_attempts a b A B). rewrite covariance_form. unfold pooled_p. field. lra. Qed.

Lemma pooled_inside a b : 0 < a < 1 -> 0 < b < 1 -> 0 < pooled_p a b < 1.
Proof.
intros A B. pose proof (E_attempts a b A B) as E1. assert (X0 : (0 < X)%nat) by (destruct X; [simpl in weights; lra | lia]).
assert (T : forall x, (x < X)%nat -> 0 < rho x * (p x * attempts_at a b x) /\ rho x * (p x * attempts_at a b x) < rho x * attempts_at a b x).
{ intros x H. pose proof (weighed x H). pose proof (inside x H). pose proof (K_least a b A B c (p x) (inside x H)) as L. fold (attempts_at a b x) in L.
  assert (0 < p x * attempts_at a b x) by (apply Rmult_lt_0_compat; lra). split; [apply Rmult_lt_0_compat; assumption|]. apply Rmult_lt_compat_l; nra. }
assert (N : 0 < E (fun x => p x * attempts_at a b x)) by (apply Sum_pos; [exact X0 | intros; apply T; assumption]).
assert (U : E (fun x => p x * attempts_at a b x) < E (attempts_at a b)).
{ apply (Sum_lt_one X _ _ 0%nat X0); [apply T, X0 | intros x H; apply Rlt_le, T, H]. }
unfold pooled_p. split; [apply Rdiv_lt_0_compat; lra|]. apply Rmult_lt_reg_r with (E (attempts_at a b)); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.

(* Sampling that is the same for both models gets a part with the sign of the difference of the covariances over mean attempts. *)
Theorem part_sign a b a' b' : 0 < a < 1 -> 0 < b < 1 -> 0 < a' < 1 -> 0 < b' < 1 ->
  let d := covariance a' b' / E (attempts_at a' b') - covariance a b / E (attempts_at a b) in let part := part_of_sampling a b a' b' in
  (part > 0 <-> d > 0) /\ (part = 0 <-> d = 0) /\ (part < 0 <-> d < 0).
Proof.
intros A B A' B' d part. assert (D : pooled_p a' b' - pooled_p a b = d) by (rewrite !pooled_form by assumption; unfold d; ring).
pose proof (pooled_inside a b A B) as P. pose proof (pooled_inside a' b' A' B') as P'.
assert (U : d > 0 -> part > 0).
{ intro H. pose proof (V_rises a b A B c (pooled_p a' b') (pooled_p a b) ltac:(lra) ltac:(lra)).
  pose proof (V_rises a' b' A' B' c (pooled_p a' b') (pooled_p a b) ltac:(lra) ltac:(lra)). unfold part, part_of_sampling. lra. }
assert (W : d < 0 -> part < 0).
{ intro H. pose proof (V_rises a b A B c (pooled_p a b) (pooled_p a' b') ltac:(lra) ltac:(lra)).
  pose proof (V_rises a' b' A' B' c (pooled_p a b) (pooled_p a' b') ltac:(lra) ltac:(lra)). unfold part, part_of_sampling. lra. }
assert (Z : d = 0 -> part = 0) by (intro H; unfold part, part_of_sampling; replace (pooled_p a' b') with (pooled_p a b) by lra; lra).
destruct (Rtotal_order d 0) as [H|[H|H]]; [pose proof (W H) | pose proof (Z H) | pose proof (U H)]; repeat split; intro; lra.
Qed.

(* Cov(p_x, K) is half the mean of (p - p')(K - K') over two problems drawn independently: *)
Lemma covariance_pairs a b : covariance a b
  = Sum X (fun x => Sum X (fun y => rho x * rho y * ((p x - p y) * (attempts_at a b x - attempts_at a b y)))) / 2.
Proof.
rewrite covariance_form. set (k := attempts_at a b). unfold over_problems.
rewrite (Sum_ext X (fun x => Sum X _) (fun x => rho x * (p x * k x) + ((- Sum X (fun y => rho y * k y)) * (rho x * p x)
  + ((- Sum X (fun y => rho y * p y)) * (rho x * k x) + Sum X (fun y => rho y * (p y * k y)) * rho x)))).
- rewrite !Sum_plus, !Sum_scal, weights. field.
- intros x _. rewrite (Sum_ext X _ (fun y => (rho x * (p x * k x)) * rho y + ((- (rho x * p x)) * (rho y * k y)
    + ((- (rho x * k x)) * (rho y * p y) + rho x * (rho y * (p y * k y)))))) by (intros; ring).
  rewrite !Sum_plus, !Sum_scal, weights. ring.
Qed.

(* so it has the sign of 1 - a - b unless all p_x are equal, and is 0 then. *)
Theorem covariance_sign a b : 0 < a < 1 -> 0 < b < 1 ->
  ((exists x y, (x < X)%nat /\ (y < X)%nat /\ p x <> p y) ->
    (covariance a b > 0 <-> a + b < 1) /\ (covariance a b = 0 <-> a + b = 1) /\ (covariance a b < 0 <-> a + b > 1))
  /\ ((forall x y, (x < X)%nat -> (y < X)%nat -> p x = p y) -> covariance a b = 0).
Proof.
intros A B. set (k := attempts_at a b).
assert (T : forall x y, (x < X)%nat -> (y < X)%nat -> exists w, (0 <= w) /\ (p x <> p y -> 0 < w) /\
  rho x * rho y * ((p x - p y) * (k x - k y)) = (1 - a - b) * w).
{ intros x y I J. pose proof (weighed x I) as R1. pose proof (weighed y J) as R2. pose proof (inside x I). pose proof (inside y J).
  assert (R : 0 < rho x * rho y) by (apply Rmult_lt_0_compat; assumption). unfold k, attempts_at. destruct (Rtotal_order (p x) (p y)) as [H1|[H1|H1]].
  - destruct (K_difference a b A B c (p y) (p x) ltac:(lra) ltac:(lra)) as [w [W D]]. exists (rho x * rho y * ((p y - p x) * w)).
    assert (Q : 0 < rho x * rho y * ((p y - p x) * w)) by (apply Rmult_lt_0_compat; [exact R | apply Rmult_lt_0_compat; lra]).
    split; [lra|]. split; [intros _; exact Q|]. replace (K c a b (p x) - K c a b (p y)) with (- ((1 - a - b) * w)) by lra. ring.
  - exists 0. split; [lra|]. split; [contradiction|]. rewrite H1. ring.
  - destruct (K_difference a b A B c (p x) (p y) ltac:(lra) ltac:(lra)) as [w [W D]]. exists (rho x * rho y * ((p x - p y) * w)).
    assert (Q : 0 < rho x * rho y * ((p x - p y) * w)) by (apply Rmult_lt_0_compat; [exact R | apply Rmult_lt_0_compat; lra]).
    split; [lra|]. split; [intros _; exact Q|]. rewrite D. ring. }
split.
- intros [x [y [I [J N]]]].
  assert (S : exists s, 0 < s /\ covariance a b = (1 - a - b) * s).
  { assert (Row : forall i, (i < X)%nat -> exists w, 0 <= w /\ (i = x -> 0 < w) /\ Sum X (fun j => rho i * rho j * ((p i - p j) * (k i - k j))) = (1 - a - b) * w).
    { intros i Hi. assert (G : forall m, (m <= X)%nat -> exists w, 0 <= w /\ (i = x -> (y < m)%nat -> 0 < w) /\ Sum m (fun j => rho i * rho j * ((p i - p j) * (k i - k j))) = (1 - a - b) * w).
      { induction m as [|m IH]; intro Hm; [exists 0; split; [lra|]; split; [lia|]; simpl; ring|].
        destruct (IH ltac:(lia)) as [w [W0 [W1 WE]]]. destruct (T i m Hi ltac:(lia)) as [v [V0 [V1 VE]]]. exists (w + v). split; [lra|]. split.
        - intros -> L. destruct (Nat.eq_dec y m) as [<-|Y]; [pose proof (V1 N); lra | pose proof (W1 eq_refl ltac:(lia)); lra].
        - simpl. rewrite WE, VE. ring. }
      destruct (G X (le_n X)) as [w [W0 [W1 WE]]]. exists w. split; [exact W0|]. split; [intro E0; apply W1; [exact E0 | exact J] | exact WE]. }
    assert (G : forall m, (m <= X)%nat -> exists w, 0 <= w /\ ((x < m)%nat -> 0 < w)
      /\ Sum m (fun i => Sum X (fun j => rho i * rho j * ((p i - p j) * (k i - k j)))) = (1 - a - b) * w).
    { induction m as [|m IH]; intro Hm; [exists 0; split; [lra|]; split; [lia|]; simpl; ring|].
      destruct (IH ltac:(lia)) as [w [W0 [W1 WE]]]. destruct (Row m ltac:(lia)) as [v [V0 [V1 VE]]]. exists (w + v). split; [lra|]. split.
      - intro L. destruct (Nat.eq_dec m x) as [E0|Y]; [pose proof (V1 E0); lra | pose proof (W1 ltac:(lia)); lra].
      - simpl. rewrite WE, VE. ring. }
    destruct (G X (le_n X)) as [w [W0 [W1 WE]]]. exists (w / 2). split; [pose proof (W1 I); lra|]. rewrite covariance_pairs. fold k. rewrite WE. field. }
  destruct S as [s [P ->]]. repeat split; intro H; nra.
- intro H. rewrite covariance_pairs. fold k. rewrite Sum_zero; [field|]. intros x I. apply Sum_zero. intros y J. rewrite (H x y I J). ring.
Qed.

(* So the part is negative where a + b <= 1 before and a + b > 1 after. *)
Theorem part_negative a b a' b' : 0 < a < 1 -> 0 < b < 1 -> 0 < a' < 1 -> 0 < b' < 1 -> (exists x y, (x < X)%nat /\ (y < X)%nat /\ p x <> p y) ->
  a + b <= 1 -> a' + b' > 1 -> part_of_sampling a b a' b' < 0.
Proof.
intros A B A' B' N L M. apply (part_sign a b a' b' A B A' B'). pose proof (E_attempts a b A B) as E1. pose proof (E_attempts a' b' A' B') as E2.
destruct (covariance_sign a b A B) as [C _]. destruct (C N) as [C1 [C2 _]]. destruct (covariance_sign a' b' A' B') as [C' _]. destruct (C' N) as [_ [_ C3]].
assert (U : covariance a' b' / E (attempts_at a' b') < 0).
{ unfold Rdiv. pose proof (Rinv_0_lt_compat (E (attempts_at a' b')) ltac:(lra)). pose proof (proj2 C3 M). nra. }
assert (W : 0 <= covariance a b / E (attempts_at a b)).
{ apply Rmult_le_pos; [|apply Rlt_le, Rinv_0_lt_compat; lra]. destruct L as [L|L]; [pose proof (proj2 C1 L); lra | rewrite (proj2 C2 L); lra]. }
lra.
Qed.
End Problems.

(* The hypotheses can be met: half of the problems have p 4/5, half 1/5; a and b go from 1/2 to 9/10. *)
Example two_kinds : let rho (_ : nat) := 1 / 2 in let p x := match x with O => 4 / 5 | _ => 1 / 5 end in
  Sum 2 rho = 1 /\ (forall x, (x < 2)%nat -> 0 < p x < 1) /\ p 0%nat <> p 1%nat
  /\ part_of_sampling 2 rho p (at_most 0) (1 / 2) (1 / 2) (9 / 10) (9 / 10) = - 489216 / 10000000.
Proof.
split; [simpl; field|]. split; [intros [|x] _; lra|]. split; [lra|].
unfold part_of_sampling, pooled_p, over_problems, attempts_at, onwards. simpl. unfold onwards. field.
Qed.
