(* Attempts up to a cap, counted on problems that are alike and on problems that differ: what a chain with pooled rates gets wrong. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List.
From Kernel Require Import Sums Chain Accuracy Trajectories Energy.
Open Scope R_scope.

(* With k decisions before the last answer: attempts, right stops and stops in time if a decision is drawn at the cap, too. *)
Definition unit (_ : nat) := 1.
Definition attempts n pi s k := capped n pi s unit unit 1 unit k.
Definition stopped_right n pi s right k := capped n pi s (ind right) (fun _ => 0) 1 (fun y => s y * ind right y) k.
Definition stopped n pi s k := capped n pi s unit (fun _ => 0) 1 s k.

(* G1, any number of answers, T = k + 1 attempts: attempts on average, accuracy with the last answer submitted, with unstopped
   episodes counted as wrong, and of those that stopped. *)
Theorem attempts_capped n pi s right k : open_chain n pi s right ->
  let q := again n pi s in let T := S k in
  attempts n pi s k = (1 - q ^ T) / (1 - q)
  /\ accuracy_capped n pi s right k = stop_right n pi s right * (1 - q ^ k) / (1 - q) + q ^ k * P_right n pi right
  /\ stopped_right n pi s right k = stop_right n pi s right * (1 - q ^ T) / (1 - q)
  /\ stopped n pi s k = 1 - q ^ T /\ stopped_right n pi s right k / stopped n pi s k = accuracy n pi s right.
Proof.
intros O q T. pose proof (discounted_in n pi s 1 (open_policy _ _ _ _ O) (open_ends _ _ _ _ 1 O ltac:(lra))) as D. fold q in D.
assert (S1 : Sum n pi = 1) by apply O.
assert (F : forall Rs Rl, capped n pi s Rs (fun _ => 0) 1 Rl k
  = Sum n (fun y => pi y * (s y * Rs y)) * (1 - q ^ k) / (1 - q) + q ^ k * Sum n (fun y => pi y * Rl y)).
{ intros Rs Rl. rewrite capped_closed by (fold q; lra). fold q. rewrite Rmult_1_l. unfold turn_reward.
  rewrite (Sum_ext n (fun y => pi y * (s y * Rs y + (1 - s y) * 0)) (fun y => pi y * (s y * Rs y))) by (intros; ring). reflexivity. }
assert (Q : Sum n (fun y => pi y * s y) = 1 - q).
{ unfold q, again. rewrite <- S1 at 1. rewrite <- Sum_minus. apply Sum_ext; intros; ring. }
assert (A : Sum n (fun y => pi y * (s y * ind right y)) = stop_right n pi s right) by (apply Sum_ext; intros; ring).
assert (T1 : q ^ T < 1) by (apply pow_lt_1_compat; [lra | unfold T; lia]).
assert (ST : stopped n pi s k = 1 - q ^ T).
{ unfold stopped. rewrite F. rewrite (Sum_ext n (fun y => pi y * (s y * unit y)) (fun y => pi y * s y)) by (intros; unfold unit; ring).
  rewrite Q. unfold T. simpl. field. lra. }
assert (SR : stopped_right n pi s right k = stop_right n pi s right * (1 - q ^ T) / (1 - q)).
{ unfold stopped_right. rewrite F, A. unfold T. simpl. field. lra. }
split; [|split; [|split; [exact SR | split; [exact ST|]]]].
- unfold attempts. rewrite capped_closed by (fold q; lra). fold q. rewrite Rmult_1_l. unfold turn_reward, unit.
  rewrite (Sum_ext n (fun y => pi y * (s y * 1 + (1 - s y) * 1)) pi) by (intros; ring).
  rewrite (Sum_ext n (fun y => pi y * 1) pi) by (intros; ring). rewrite S1. unfold T. simpl. field. lra.
- unfold accuracy_capped. rewrite F, A. reflexivity.
- rewrite SR, ST, accuracy_stops by exact O. destruct (open_rates n pi s right O) as [_ [B C]].
  assert (X : stop_right n pi s right + stop_wrong n pi s right = 1 - q).
  { rewrite <- Q. unfold stop_right, stop_wrong. rewrite <- Sum_plus. apply Sum_ext; intros; ring. }
  rewrite X. field. lra.
Qed.

(* G1-cap: one attempt more is worth the same at every cap: so at any price of an attempt one attempt is best, or no cap. *)
Theorem attempt_worth n pi s right : open_chain n pi s right ->
  let p := P_right n pi right in let q := again n pi s in
  let worth := p * (1 - p) * (rate_a n pi s right + rate_b n pi s right - 1) / q in
  0 < q /\ forall k cost, let earned k := accuracy_capped n pi s right k - cost * attempts n pi s k in
  attempts n pi s (S k) - attempts n pi s k = q ^ S k
  /\ accuracy_capped n pi s right (S k) - accuracy_capped n pi s right k = worth * q ^ S k
  /\ (earned (S k) > earned k <-> worth > cost).
Proof.
intros O p q worth. pose proof (discounted_in n pi s 1 (open_policy _ _ _ _ O) (open_ends _ _ _ _ 1 O ltac:(lra))) as D. fold q in D.
destruct (open_rates n pi s right O) as [P [B C]]. fold p in P. pose proof (rates_in n pi s right O) as [RA RB].
assert (EA : stop_right n pi s right = p * rate_a n pi s right) by (unfold rate_a; fold p; field; lra).
assert (EB : stop_wrong n pi s right = (1 - p) * (1 - rate_b n pi s right)) by (unfold rate_b; fold p; field; lra).
assert (X : stop_right n pi s right + stop_wrong n pi s right = 1 - q).
{ destruct O as [O1 _]. unfold q, again. rewrite <- O1 at 1. rewrite <- Sum_minus. unfold stop_right, stop_wrong. rewrite <- Sum_plus.
  apply Sum_ext; intros; ring. }
set (a := rate_a n pi s right) in *. set (b := rate_b n pi s right) in *.
assert (Q : q = p * (1 - a) + (1 - p) * b) by lra. assert (Q0 : 0 < q) by (rewrite Q; nra). split; [exact Q0|].
intros k cost earned. destruct (attempts_capped n pi s right k O) as [N [A _]]. destruct (attempts_capped n pi s right (S k) O) as [N' [A' _]].
fold q p in N, A, N', A'. pose proof (pow_lt q (S k) Q0) as K.
assert (E1 : attempts n pi s (S k) - attempts n pi s k = q ^ S k) by (rewrite N, N'; simpl; field; lra).
assert (E2 : accuracy_capped n pi s right (S k) - accuracy_capped n pi s right k = worth * q ^ S k).
{ rewrite A, A', EA. unfold worth. simpl. transitivity (q ^ k * (p * a - (1 - q) * p)); [field; lra|].
  rewrite Q at 2. transitivity (q ^ k * (p * (1 - p) * (a + b - 1))); [ring | field; lra]. }
split; [exact E1 | split; [exact E2|]]. unfold earned.
assert (F : accuracy_capped n pi s right (S k) - cost * attempts n pi s (S k) - (accuracy_capped n pi s right k - cost * attempts n pi s k)
  = (worth - cost) * q ^ S k).
{ transitivity ((accuracy_capped n pi s right (S k) - accuracy_capped n pi s right k) - cost * (attempts n pi s (S k) - attempts n pi s k)); [ring|].
  rewrite E1, E2. ring. }
clearbody worth. split; intro H; [apply Rnot_le_gt; intro L; nra|]. assert (0 < (worth - cost) * q ^ S k) by (apply Rmult_lt_0_compat; lra). lra.
Qed.

(* G3: whenever an episode stops, right answers less p times attempts have mean 0 and the variance p (1 - p) per attempt. *)
Theorem stopping_unbiased n (pi : nat -> R) (s : nat -> nat -> R) right T : Sum n pi = 1 ->
  let p := P_right n pi right in let off := fun (_ y : nat) => ind right y - p in let count := fun (_ _ : nat) => 1 in
  forall k, V n (fun _ => pi) s off off off 1 T k = 0
  /\ variance_of_return n (fun _ => pi) s off off off 1 T k = p * (1 - p) * V n (fun _ => pi) s count count count 1 T k.
Proof.
intros H p off count.
assert (Z : Sum n (fun y => pi y * off 0%nat y) = 0).
{ unfold off. rewrite (Sum_ext n _ (fun y => pi y * ind right y - pi y * p)) by (intros; ring). rewrite Sum_minus, Sum_scal_r, H. unfold p, P_right. ring. }
assert (Z2 : Sum n (fun y => pi y * off 0%nat y ^ 2) = p * (1 - p)).
{ unfold off. rewrite (Sum_ext n _ (fun y => (1 - 2 * p) * (pi y * ind right y) + p ^ 2 * pi y)).
  - rewrite Sum_plus, !Sum_scal, H. unfold p, P_right. ring.
  - intros y _. unfold ind. destruct (right y); ring. }
assert (M : forall T k, V n (fun _ => pi) s off off off 1 T k = 0).
{ clear T. induction T as [|T I]; intro k; rewrite bellman_capped by (intro; exact H); [exact Z|].
  rewrite <- Z. apply Sum_ext; intros y _. unfold Q, Q_res. rewrite I. unfold off. ring. }
induction T as [|T I]; intro k; (split; [apply M|]).
- unfold variance_of_return. rewrite M. unfold V. simpl. rewrite (Sum_ext n (fun y => pi y * _) (fun y => pi y * off 0%nat y ^ 2)) by (intros; reflexivity).
  rewrite Z2. unfold count. rewrite (Sum_ext n (fun y => pi y * 1) pi) by (intros; ring). rewrite H. ring.
- rewrite variance_step by (intro; exact H). destruct (I (S k)) as [_ ->].
  rewrite (bellman_capped n (fun _ => pi) s count count count 1 (fun _ => H) (S T) k).
  unfold sampling_variance, decision_variance. rewrite M.
  rewrite (Sum_ext n (fun y => pi y * (Q n (fun _ => pi) s off off off 1 (S T) k y - 0) ^ 2) (fun y => pi y * off 0%nat y ^ 2)).
  2:{ intros y _. unfold Q, Q_res. rewrite M. unfold off. ring. }
  rewrite Z2, (Sum_zero n (fun y => pi y * (s k y * _ * _))) by (intros y _; unfold Q_res; rewrite M; unfold off; ring).
  set (A := V n (fun _ => pi) s count count count 1 T (S k)).
  rewrite (Sum_ext n (fun y => pi y * Q _ _ _ _ _ _ _ _ _ _) (fun y => pi y + (pi y * (1 - s k y)) * A)).
  + rewrite Sum_plus, Sum_scal_r, H. fold (again n pi (s k)). ring.
  + intros y _. unfold Q, Q_res. fold A. unfold count. ring.
Qed.

(* Bernoulli's inequality for powers of powers. *)
Lemma one_sign x j : 0 <= x -> 0 <= (1 - x ^ j) * (1 - x).
Proof. intro X. induction j as [|j I]; [simpl; lra|]. pose proof (pow_le x j X). pose proof (pow2_ge_0 (1 - x)). simpl. nra. Qed.

Lemma tangent x k d : 0 <= x -> (INR k + INR d) * x ^ k <= INR d + INR k * x ^ (k + d).
Proof.
intro X. induction d as [|d I]; [rewrite Nat.add_0_r; simpl; lra|]. rewrite S_INR. rewrite Nat.add_succ_r. simpl pow.
assert (E : forall j e, (j <= e)%nat -> INR j * (x ^ e * (1 - x)) <= 1 - x ^ j).
{ induction j as [|j J]; intros e L; [simpl; lra|]. rewrite S_INR. simpl pow. pose proof (J e ltac:(lia)).
  replace e with (j + (e - j))%nat by lia. pose proof (one_sign x (e - j) X). pose proof (pow_le x j X).
  replace e with (j + (e - j))%nat in H by lia. rewrite pow_add in *. nra. }
pose proof (E k (k + d)%nat ltac:(lia)). lra.
Qed.

Lemma geometric z T : (1 - z) * Sum T (fun k => z ^ k) = 1 - z ^ T.
Proof. induction T as [|T I]; simpl; [ring|]. rewrite Rmult_plus_distr_l, I. ring. Qed.

Section Pooled.
(* Problems x with weights rho and a chance q x of going on; moments S k, the share of episodes that go on k times. *)
Variables (X : nat) (rho q : nat -> R).
Hypothesis weights : Sum X rho = 1.
Hypothesis weighed : forall x, (x < X)%nat -> 0 <= rho x.
Hypothesis chances : forall x, (x < X)%nat -> 0 <= q x <= 1.
Definition on k := Sum X (fun x => rho x * q x ^ k).
(* The pooled chance of going on: resamples over decisions, of at most T decisions per episode. *)
Definition decisions T := Sum T on.
Definition pooled T := Sum T (fun k => on (S k)) / decisions T.

Lemma on_0 : on 0 = 1.
Proof. unfold on. rewrite <- weights. apply Sum_ext; intros; simpl; ring. Qed.
Lemma on_in k : 0 <= on k <= 1.
Proof.
unfold on. apply mean_between; [exact weights | exact weighed|]. intros x Hx. pose proof (chances x Hx). split; [apply pow_le; lra|].
rewrite <- (pow1 k). apply pow_incr. lra.
Qed.
Lemma decisions_pos T : (0 < T)%nat -> 1 <= decisions T.
Proof.
unfold decisions. intro H. destruct T as [|T]; [lia|]. clear H. induction T as [|T I]; simpl in *; [rewrite on_0; lra|]. pose proof (on_in (S T)). lra.
Qed.
Lemma shifted T : Sum T (fun k => on (S k)) = decisions T - 1 + on T.
Proof. unfold decisions. induction T as [|T I]; simpl; [rewrite on_0; ring|]. rewrite I. ring. Qed.

Lemma pooled_in T : (0 < T)%nat -> 0 <= pooled T <= 1 /\ pooled T * decisions T = decisions T - 1 + on T.
Proof.
intro H. pose proof (decisions_pos T H) as D. assert (E : pooled T * decisions T = decisions T - 1 + on T).
{ unfold pooled. rewrite shifted. field. lra. }
pose proof (on_in T). split; [|exact E]. split; nra.
Qed.

Lemma on_tangent z k d : 0 <= z -> (INR k + INR d) * (on k * z ^ d) <= INR d * z ^ (k + d) + INR k * on (k + d).
Proof.
intro Z. unfold on. rewrite <- (Rmult_1_r (INR d * _)), <- weights, <- !Sum_scal, <- Sum_scal_r, <- Sum_scal, <- Sum_plus.
apply Sum_le; intros x Hx. pose proof (weighed x Hx) as W. pose proof (chances x Hx) as C.
assert (K : (INR k + INR d) * (q x ^ k * z ^ d) <= INR d * z ^ (k + d) + INR k * q x ^ (k + d)); [|nra].
destruct Z as [Z | <-].
- set (y := q x / z). assert (Y0 : 0 <= y) by (apply Rmult_le_pos; [lra | apply Rlt_le, Rinv_0_lt_compat, Z]).
  assert (Y : q x = y * z) by (unfold y; field; lra). pose proof (tangent y k d Y0) as T. pose proof (pow_le z (k + d) ltac:(lra)) as P.
  rewrite Y, !Rpow_mult_distr. pose proof (Rmult_le_compat_r _ _ _ P T) as M. rewrite (pow_add z) in M at 1.
  eapply Rle_trans; [|eapply Rle_trans; [exact M|]]; right; ring.
- destruct d as [|d]; [rewrite Nat.add_0_r; simpl; lra|]. rewrite Nat.add_succ_r, !pow_ne_zero by lia.
  assert (0 <= INR k * q x ^ S (k + d)) by (apply Rmult_le_pos; [apply pos_INR | apply pow_le; lra]). lra.
Qed.

(* G4, any distribution of problems and any cap: the pooled chain stops at least as often as episodes do, and its attempts are at
   least the true ones. *)
Theorem pooled_stops T : (0 < T)%nat -> pooled T ^ T <= on T
  /\ (pooled T < 1 -> decisions T <= (1 - pooled T ^ T) / (1 - pooled T)).
Proof.
intro H. destruct (pooled_in T H) as [ZI E]. set (z := pooled T) in *. pose proof (decisions_pos T H) as D1.
assert (M : z ^ T <= on T).
{ apply Rnot_lt_le. intro L. assert (Z : 0 < z).
  { destruct (proj1 ZI) as [Z|Z]; [exact Z|]. rewrite <- Z, pow_ne_zero in L by lia. pose proof (on_in T). lra. }
  assert (B : forall k, (k < T)%nat -> on k <= z ^ k).
  { intros k Hk. pose proof (on_tangent z k (T - k) ltac:(lra)) as T1. replace (k + (T - k))%nat with T in T1 by lia.
    assert (P : 0 < INR k + INR (T - k)) by (rewrite <- plus_INR; apply lt_0_INR; lia). pose proof (pos_INR k). pose proof (pow_lt z (T - k) Z).
    apply Rmult_le_reg_r with (z ^ (T - k)); [assumption|]. rewrite <- pow_add. replace (k + (T - k))%nat with T by lia.
    apply Rmult_le_reg_l with (INR k + INR (T - k)); [exact P|]. nra. }
  assert (G : decisions T <= Sum T (fun k => z ^ k)) by (apply Sum_le; exact B).
  pose proof (geometric z T) as GS.
  assert ((1 - z) * decisions T = 1 - on T) by lra. nra. }
split; [exact M|]. intro Z1. apply Rmult_le_reg_r with (1 - z); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
Qed.

(* G4-wrong: c x is a problem's chance of a right stop per attempt. With unstopped episodes counted as wrong, the accuracy of the
   pooled chain is the realised one times predicted over realised stops, which is at least 1. *)
Theorem pooled_accuracy (c : nat -> R) T : (0 < T)%nat -> on T < 1 ->
  let realised := Sum X (fun x => rho x * (c x * Sum T (fun k => q x ^ k))) in
  let rate := realised / decisions T in let z := pooled T in
  rate * ((1 - z ^ T) / (1 - z)) = realised * ((1 - z ^ T) / (1 - on T)) /\ 1 <= (1 - z ^ T) / (1 - on T).
Proof.
intros H S realised rate z. destruct (pooled_in T H) as [ZI E]. fold z in ZI, E. pose proof (decisions_pos T H) as D.
assert (Y : (1 - z) * decisions T = 1 - on T) by lra. assert (Z1 : 0 < 1 - z) by nra. destruct (pooled_stops T H) as [M _]. fold z in M.
split; [unfold rate; rewrite <- Y; field; lra|]. apply Rmult_le_reg_r with (1 - on T); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
Qed.

Lemma on_convex k : on (S k) * on (S k) <= on k * on (S (S k)).
Proof.
assert (D : on (S k) <= on k).
{ unfold on. apply Sum_le; intros x Hx. apply Rmult_le_compat_l; [apply weighed, Hx|]. pose proof (chances x Hx). pose proof (pow_le (q x) k (proj1 H)). simpl. nra. }
destruct (on_in k) as [[P | Z] _]; [|rewrite <- Z in *; pose proof (on_in (S k)); replace (on (S k)) with 0 by lra; lra].
set (c := on k) in *. set (d := on (S k)) in *.
assert (Y : Sum X (fun x => rho x * (q x ^ k * (c * q x - d) ^ 2)) = c * (c * on (S (S k)) - d * d)).
{ rewrite (Sum_ext X _ (fun x => c ^ 2 * (rho x * q x ^ S (S k)) - (2 * c * d) * (rho x * q x ^ S k) + d ^ 2 * (rho x * q x ^ k)))
    by (intros; simpl; ring). rewrite Sum_plus, Sum_minus, !Sum_scal. fold (on k) (on (S k)) (on (S (S k))). fold c d. ring. }
assert (N : 0 <= Sum X (fun x => rho x * (q x ^ k * (c * q x - d) ^ 2))).
{ apply Sum_nonneg; intros x Hx. apply Rmult_le_pos; [apply weighed, Hx|]. apply Rmult_le_pos; [apply pow_le, chances, Hx | apply pow2_ge_0]. }
rewrite Y in N. clearbody c d. nra.
Qed.

Lemma ratios z L : 0 <= z -> on (S L) < z * on L -> on L <= z ^ L.
Proof.
intros Z H. assert (R : forall j, (j <= L)%nat -> on (S (L - j)) <= z * on (L - j)).
{ induction j as [|j J]; intro Hj; [rewrite Nat.sub_0_r; lra|]. pose proof (J ltac:(lia)) as A. set (k := (L - S j)%nat).
  replace (L - j)%nat with (S k) in A by (unfold k; lia). pose proof (on_convex k) as C. pose proof (proj1 (on_in k)).
  destruct (on_in (S k)) as [[P|P] _]; [|rewrite <- P; apply Rmult_le_pos; assumption].
  apply Rmult_le_reg_r with (on (S k)); [exact P|]. nra. }
assert (G : forall k, (k <= L)%nat -> on k <= z ^ k); [|apply G; lia].
induction k as [|k I]; intro Hk; [rewrite on_0; simpl; lra|]. pose proof (R (L - k)%nat ltac:(lia)) as A. replace (L - (L - k))%nat with k in A by lia.
pose proof (I ltac:(lia)). simpl. nra.
Qed.
End Pooled.

(* G4-sign, any distribution of p and any cap T = L + 1, the last answer submitted, decisions a, b alike: the accuracy of the chain
   pooled over attempts less that of the problems has the sign of a + b - 1, or is 0. *)
Theorem pooled_bias X rho (p : nat -> R) a b L : Sum X rho = 1 -> (forall x, (x < X)%nat -> 0 <= rho x) ->
  (forall x, (x < X)%nat -> 0 < p x < 1) -> 0 < a < 1 -> 0 < b < 1 ->
  let T := S L in let again p := p * (1 - a) + (1 - p) * b in
  let Acc p := p * a * (1 - again p ^ L) / (1 - again p) + again p ^ L * p in
  let K x := Sum T (fun k => again (p x) ^ k) in
  let pooled_p := Sum X (fun x => rho x * (p x * K x)) / Sum X (fun x => rho x * K x) in
  0 <= (a + b - 1) * (Acc pooled_p - Sum X (fun x => rho x * Acc (p x))).
Proof.
intros W W0 P A B T ag Acc K pp. set (q := fun x => ag (p x)).
assert (AG : forall x, 0 <= x <= 1 -> 0 < ag x < 1) by (intros x Hx; unfold ag; destruct (Rle_lt_dec x (1 / 2)); split; nra).
assert (C : forall x, (x < X)%nat -> 0 <= q x <= 1) by (intros x Hx; pose proof (P x Hx); pose proof (AG (p x) ltac:(lra)); unfold q; lra).
set (S_ := on X rho q). set (M := decisions X rho q T). assert (T0 : (0 < T)%nat) by (unfold T; lia).
pose proof (decisions_pos X rho q W W0 C T T0) as M1. fold M in M1.
assert (MK : Sum X (fun x => rho x * K x) = M).
{ unfold M, decisions, on. rewrite Sum_swap. apply Sum_ext; intros x _. unfold K. rewrite Sum_scal. reflexivity. }
assert (MQ : Sum X (fun x => rho x * (q x * K x)) = Sum T (fun k => S_ (S k))).
{ unfold S_, on. rewrite Sum_swap. apply Sum_ext; intros x _. unfold K. rewrite <- !Sum_scal. apply Sum_ext; intros k _. simpl. unfold q. ring. }
assert (PP : 0 <= pp <= 1).
{ unfold pp. rewrite MK. assert (N : forall x, (x < X)%nat -> 0 <= rho x * K x).
  { intros x Hx. apply Rmult_le_pos; [apply W0, Hx|]. apply Sum_nonneg; intros k _. apply pow_le, C, Hx. }
  assert (U : 0 <= Sum X (fun x => rho x * (p x * K x)) <= M).
  { rewrite <- MK. split; [apply Sum_nonneg | apply Sum_le]; intros x Hx; pose proof (N x Hx); pose proof (P x Hx); nra. }
  split; [apply Rmult_le_pos; [lra | apply Rlt_le, Rinv_0_lt_compat; lra]|].
  apply Rmult_le_reg_r with M; [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
set (z := ag pp). pose proof (AG pp PP) as ZI. fold z in ZI.
assert (ZP : z = pooled X rho q T).
{ unfold pooled. fold M S_. rewrite <- MQ, (Sum_ext X _ (fun x => (1 - a - b) * (rho x * (p x * K x)) + b * (rho x * K x)))
    by (intros; unfold q, ag; ring). rewrite Sum_plus, !Sum_scal, MK. unfold z, ag, pp. rewrite MK. field. lra. }
assert (F : forall x, 0 <= x <= 1 -> (a + b - 1) * Acc x = a - a * (1 - b) * Sum T (fun k => ag x ^ k) - ag x ^ T + (1 - a) * b * ag x ^ L).
{ intros x Hx. pose proof (AG x Hx). pose proof (geometric (ag x) T) as G. unfold Acc.
  replace (Sum T (fun k => ag x ^ k)) with ((1 - ag x ^ T) / (1 - ag x)) by (rewrite <- G; field; lra).
  unfold T. rewrite <- tech_pow_Rmult. set (R := ag x ^ L). apply Rmult_eq_reg_r with (1 - ag x); [|lra].
  transitivity ((a + b - 1) * (x * a * (1 - R) + R * x * (1 - ag x))); [field; lra|].
  transitivity (a * (1 - ag x) - a * (1 - b) * (1 - ag x * R) - ag x * R * (1 - ag x) + (1 - a) * b * R * (1 - ag x)); [|field; lra].
  unfold ag. ring. }
assert (FE : (a + b - 1) * Sum X (fun x => rho x * Acc (p x)) = a - a * (1 - b) * M - S_ T + (1 - a) * b * S_ L).
{ rewrite <- Sum_scal, (Sum_ext X _ (fun x => a * rho x - (a * (1 - b)) * (rho x * K x) - rho x * q x ^ T + ((1 - a) * b) * (rho x * q x ^ L))).
  - rewrite Sum_plus, !Sum_minus, !Sum_scal, W, MK. unfold S_, on. ring.
  - intros x Hx. pose proof (P x Hx). replace ((a + b - 1) * (rho x * Acc (p x))) with (rho x * ((a + b - 1) * Acc (p x))) by ring.
    rewrite F by lra. unfold K, q. ring. }
rewrite Rmult_minus_distr_l, FE, F by exact PP. fold z.
destruct (pooled_stops X rho q W W0 C T T0) as [DT _]. rewrite <- ZP in DT. fold S_ in DT.
destruct (pooled_in X rho q W W0 C T T0) as [_ EM]. rewrite <- ZP in EM. fold M S_ in EM.
pose proof (geometric z T) as GZ. set (nz := Sum T (fun k => z ^ k)) in *.
assert (DN : nz - M = (S_ T - z ^ T) / (1 - z)) by (apply Rmult_eq_reg_r with (1 - z); [unfold Rdiv; rewrite Rmult_assoc, Rinv_l by lra; lra | lra]).
set (dT := S_ T - z ^ T) in *. set (dL := S_ L - z ^ L).
replace (_ - _) with (dT * (1 - a * (1 - b) / (1 - z)) - (1 - a) * b * dL) by (replace nz with (M + dT / (1 - z)) by lra; unfold dT, dL; field; lra).
assert (K1 : (1 - a * (1 - b) / (1 - z)) * (1 - z) = 1 - z - a * (1 - b)) by (field; lra).
set (k := 1 - a * (1 - b) / (1 - z)) in *.
assert (K0 : 0 < 1 - z - a * (1 - b)).
{ replace (1 - z - a * (1 - b)) with (pp * (a * b) + (1 - pp) * ((1 - a) * (1 - b))) by (unfold z, ag; ring).
  assert (0 < a * b) by nra. assert (0 < (1 - a) * (1 - b)) by nra. destruct (Rle_lt_dec pp (1 / 2)); nra. }
assert (KP : 0 < k) by nra.
assert (KZ : 0 <= z * k - (1 - a) * b).
{ apply Rmult_le_reg_r with (1 - z); [lra|]. rewrite Rmult_0_l, Rmult_minus_distr_r, Rmult_assoc, K1.
  replace (z * (1 - z - a * (1 - b)) - (1 - a) * b * (1 - z)) with (pp * (1 - pp) * (a + b - 1) ^ 2) by (unfold z, ag; ring).
  apply Rmult_le_pos; [nra | apply pow2_ge_0]. }
assert (AB : 0 < (1 - a) * b) by nra. destruct (Rle_lt_dec dL 0) as [N|N]; [assert (0 <= dT * k) by (apply Rmult_le_pos; unfold dT; lra); nra|].
assert (R : z * S_ L <= S_ T).
{ apply Rnot_lt_le. intro H. pose proof (ratios X rho q W W0 C z L ltac:(lra) H) as Y. fold S_ in Y. unfold dL in N. lra. }
assert (Q : z * dL <= dT) by (unfold dT, dL, T; rewrite <- tech_pow_Rmult; fold T; lra). clearbody dT dL k. nra.
Qed.

(* G4-mean, any distribution of p: without a cap and with decisions a, b alike, the accuracy at the mean of p exceeds the mean accuracy
   by a sum of squares times a + b - 1. *)
Theorem accuracy_at_mean X rho (p : nat -> R) a b : Sum X rho = 1 -> (forall x, (x < X)%nat -> 0 <= rho x) ->
  (forall x, (x < X)%nat -> 0 < p x < 1) -> 0 < a < 1 -> 0 < b < 1 ->
  let D x := x * a + (1 - x) * (1 - b) in let Acc x := x * a / D x in
  let m := Sum X (fun x => rho x * p x) in let bias := Acc m - Sum X (fun x => rho x * Acc (p x)) in
  bias = (a + b - 1) * Sum X (fun x => rho x * ((p x - m) ^ 2 * (a * (1 - b)) / (D (p x) * D m ^ 2)))
  /\ ((exists x, (x < X)%nat /\ 0 < rho x /\ p x <> m) -> (bias > 0 <-> a + b > 1) /\ (bias < 0 <-> a + b < 1)).
Proof.
intros W W0 P A B D Acc m bias.
assert (M : 0 <= m <= 1) by (apply mean_between; [exact W | exact W0 | intros x Hx; pose proof (P x Hx); lra]).
assert (DP : forall x, 0 <= x <= 1 -> 0 < D x) by (intros x Hx; unfold D; destruct (Rle_lt_dec x (1 / 2)); nra).
set (c := a * (1 - b) / D m ^ 2). pose proof (DP m M) as DM.
assert (E : bias = (a + b - 1) * Sum X (fun x => rho x * ((p x - m) ^ 2 * (a * (1 - b)) / (D (p x) * D m ^ 2)))).
{ unfold bias. rewrite <- Sum_scal.
  rewrite (Sum_ext X (fun x => (a + b - 1) * _) (fun x => rho x * Acc m + c * (rho x * p x) - c * m * rho x - rho x * Acc (p x))).
  - rewrite !Sum_minus, Sum_plus, !Sum_scal, Sum_scal_r, W. fold m. ring.
  - intros x Hx. pose proof (P x Hx) as PX. pose proof (DP (p x) ltac:(lra)) as DX. unfold c, Acc.
    transitivity (rho x * ((p x - m) ^ 2 * (a * (1 - b)) * (a + b - 1) / (D (p x) * D m ^ 2))); [field; lra|].
    transitivity (rho x * (m * a * (D m * D (p x)) + a * (1 - b) * D (p x) * (p x - m) - p x * a * D m ^ 2) / (D (p x) * D m ^ 2)); [|field; lra].
    unfold Rdiv. rewrite <- !Rmult_assoc. f_equal. rewrite !Rmult_assoc. f_equal. unfold D. ring. }
split; [exact E|]. intros [x [Hx [R N]]]. set (V := Sum X _) in E.
assert (V0 : 0 < V).
{ assert (T : forall y, (y < X)%nat -> 0 <= (p y - m) ^ 2 * (a * (1 - b)) / (D (p y) * D m ^ 2)).
  { intros y Hy. pose proof (P y Hy). pose proof (DP (p y) ltac:(lra)). apply Rmult_le_pos.
    - apply Rmult_le_pos; [apply pow2_ge_0 | nra].
    - apply Rlt_le, Rinv_0_lt_compat, Rmult_lt_0_compat; [assumption | apply pow_lt, DM]. }
  apply (Sum_pos_one X _ x Hx).
  - pose proof (P x Hx). pose proof (DP (p x) ltac:(lra)). apply Rmult_lt_0_compat; [exact R|]. apply Rdiv_lt_0_compat.
    + apply Rmult_lt_0_compat; [apply pow2_gt_0; lra | nra].
    + apply Rmult_lt_0_compat; [assumption | apply pow_lt, DM].
  - intros y Hy. apply Rmult_le_pos; [apply W0, Hy | apply T, Hy]. }
clearbody V bias. split; split; intro; nra.
Qed.
