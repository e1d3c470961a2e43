(* H4, H4-stages, H6-error: who leads after any number of independent trials, tokens or duels. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Chain Accuracy.
Open Scope R_scope.

(* The mean of f of the lead after tau trials, from a lead of d: each adds 1 with chance v and takes 1 with chance u. *)
Fixpoint Lead v u tau (f : R -> R) d := match tau with
  | O => f d
  | S tau => v * Lead v u tau f (d + 1) + u * Lead v u tau f (d - 1) + (1 - v - u) * Lead v u tau f d end.
(* The chance that there is none; that there is one. *)
Definition behind v u tau d := Lead v u tau (fun d => if Rle_dec d 0 then 1 else 0) d.
Definition ahead v u tau d := Lead v u tau (fun d => if Rle_dec d 0 then 0 else 1) d.

Lemma lead_ext v u tau f h : (forall d, f d = h d) -> forall d, Lead v u tau f d = Lead v u tau h d.
Proof. intro E. induction tau as [|tau I]; intro d; simpl; [apply E | rewrite !I; reflexivity]. Qed.

Lemma lead_le v u tau f h : 0 <= v -> 0 <= u -> v + u <= 1 -> (forall d, f d <= h d) -> forall d, Lead v u tau f d <= Lead v u tau h d.
Proof.
intros V U W E. induction tau as [|tau I]; intro d; simpl; [apply E|].
repeat apply Rplus_le_compat; apply Rmult_le_compat_l; try apply I; lra.
Qed.

Lemma lead_mirror v u tau f : forall d, Lead v u tau f d = Lead u v tau (fun d => f (- d)) (- d).
Proof.
induction tau as [|tau I]; intro d; simpl; [f_equal; ring|]. rewrite (I (d + 1)), (I (d - 1)), (I d).
replace (- (d + 1)) with (- d - 1) by ring. replace (- (d - 1)) with (- d + 1) by ring. ring.
Qed.

Lemma behind_ahead v u tau : forall d, behind v u tau d = 1 - ahead v u tau d.
Proof.
unfold behind, ahead. induction tau as [|tau I]; intro d; simpl; [destruct (Rle_dec d 0); ring|]. rewrite !I. ring.
Qed.

(* The mean of s^lead. *)
Lemma lead_power v u tau s : 0 < s -> forall d, Lead v u tau (fun d => Rpower s d) d = Rpower s d * (1 - v - u + v * s + u / s) ^ tau.
Proof.
intro S. induction tau as [|tau I]; intro d; simpl; [ring|]. rewrite !I. unfold Rminus. rewrite !Rpower_plus, Rpower_Ropp, Rpower_1 by exact S.
field. lra.
Qed.

(* Markov: s^lead is at least 1 where there is no lead. *)
Lemma behind_power v u tau s : 0 <= v -> 0 <= u -> v + u <= 1 -> 0 < s < 1 -> behind v u tau 0 <= (1 - v - u + v * s + u / s) ^ tau.
Proof.
intros V U W S. replace ((1 - v - u + v * s + u / s) ^ tau) with (Lead v u tau (fun d => Rpower s d) 0)
  by (rewrite lead_power by lra; rewrite Rpower_O by lra; ring).
apply lead_le; try assumption. intro d. unfold Rpower. destruct (Rle_dec d 0) as [D|D]; [|apply Rlt_le, exp_pos].
assert (L : ln s <= 0) by (rewrite <- ln_1; apply Rcomplements.ln_le; lra). rewrite <- exp_0.
assert (0 <= d * ln s) as [X|<-] by nra; [apply Rlt_le, exp_increasing, X | lra].
Qed.

(* The best s, and what it gives. *)
Lemma best_power v u s : 0 < v -> 0 < u -> 0 < s ->
  1 - (sqrt v - sqrt u) ^ 2 <= 1 - v - u + v * s + u / s
  /\ 1 - v - u + v * (sqrt u / sqrt v) + u / (sqrt u / sqrt v) = 1 - (sqrt v - sqrt u) ^ 2.
Proof.
intros V U S. pose proof (sqrt_lt_R0 v V) as SV. pose proof (sqrt_lt_R0 u U) as SU.
pose proof (sqrt_sqrt v (Rlt_le _ _ V)) as EV. pose proof (sqrt_sqrt u (Rlt_le _ _ U)) as EU.
set (a := sqrt v) in *. set (b := sqrt u) in *. clearbody a b. subst v u. split; [|field; lra].
enough (0 <= (a * s - b) ^ 2 / s) as Q; [replace ((a * s - b) ^ 2 / s) with (a * a * s + b * b / s - 2 * a * b) in Q by (field; lra); nra|].
apply Rdiv_le_0_compat; [apply pow2_ge_0 | exact S].
Qed.

Lemma behind_bound v u tau : 0 < u < v -> v + u <= 1 -> behind v u tau 0 <= (1 - (sqrt v - sqrt u) ^ 2) ^ tau.
Proof.
intros U W. destruct (best_power v u 1 ltac:(lra) ltac:(lra) ltac:(lra)) as [_ <-]. apply behind_power; try lra.
assert (SU : 0 < sqrt u) by (apply sqrt_lt_R0; lra). assert (L : sqrt u < sqrt v) by (apply sqrt_lt_1_alt; lra).
split; [apply Rdiv_lt_0_compat; lra|]. apply Rmult_lt_reg_r with (sqrt v); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.

Lemma exp_power z n : exp z ^ n = exp (INR n * z).
Proof. induction n as [|n I]; [simpl; rewrite Rmult_0_l, exp_0; reflexivity|]. rewrite S_INR. cbn [pow]. rewrite I, <- exp_plus. f_equal. ring. Qed.

(* Powers of 1 - y are at most exponentials. *)
Lemma power_exp y z n : z <= y -> y <= 1 -> (1 - y) ^ n <= exp (- INR n * z).
Proof.
intros Z Y. replace (- INR n * z) with (INR n * - z) by ring. rewrite <- exp_power. apply pow_incr. split; [lra|].
pose proof (exp_ineq1_le (- z)). lra.
Qed.

(* H4. Two answers of tau tokens each, which score with chances p1 and p2, all independent: the mean of f of the two scores. *)
Fixpoint scores p1 p2 tau (f : nat -> nat -> R) s1 s2 := match tau with
  | O => f s1 s2
  | S tau => p1 * (p2 * scores p1 p2 tau f (S s1) (S s2) + (1 - p2) * scores p1 p2 tau f (S s1) s2)
      + (1 - p1) * (p2 * scores p1 p2 tau f s1 (S s2) + (1 - p2) * scores p1 p2 tau f s1 s2) end.

Lemma scores_lead p1 p2 tau f h : (forall s1 s2, f s1 s2 = h (INR s1 - INR s2)) -> forall s1 s2,
  scores p1 p2 tau f s1 s2 = Lead (p1 * (1 - p2)) ((1 - p1) * p2) tau h (INR s1 - INR s2).
Proof.
intro E. induction tau as [|tau I]; intros s1 s2; cbn [scores Lead]; [apply E|]. rewrite !I, !S_INR.
replace (INR s1 + 1 - (INR s2 + 1)) with (INR s1 - INR s2) by ring. replace (INR s1 + 1 - INR s2) with (INR s1 - INR s2 + 1) by ring.
replace (INR s1 - (INR s2 + 1)) with (INR s1 - INR s2 - 1) by ring. ring.
Qed.

(* The better answer fails to lead with a chance of at most the mean of s^lead, for every s; the best s gives M^tau. *)
Theorem early_rejection p1 p2 tau : 0 < p2 < p1 -> p1 < 1 ->
  let u := (1 - p1) * p2 in let v := p1 * (1 - p2) in let base s := 1 - v - u + v * s + u / s in let best := sqrt u / sqrt v in
  let M := 1 - (sqrt v - sqrt u) ^ 2 in let rejected := scores p1 p2 tau (fun s1 s2 => if Nat.leb s1 s2 then 1 else 0) 0 0 in
  (forall s, 0 < s < 1 -> rejected <= scores p1 p2 tau (fun s1 s2 => Rpower s (INR s1 - INR s2)) 0 0
     /\ scores p1 p2 tau (fun s1 s2 => Rpower s (INR s1 - INR s2)) 0 0 = base s ^ tau /\ M <= base s)
  /\ 0 < best < 1 /\ base best = M /\ rejected <= M ^ tau /\ M ^ tau <= exp (- INR tau * ((p1 - p2) ^ 2 / 2)).
Proof.
intros A B u v base best M rejected. assert (U : 0 < u) by (unfold u; apply Rmult_lt_0_compat; lra).
assert (V : 0 < v) by (unfold v; apply Rmult_lt_0_compat; lra). assert (UV : u < v) by (unfold u, v; nra).
assert (W : v + u <= 1) by (unfold u, v; nra).
assert (R : rejected = behind v u tau 0).
{ unfold rejected, behind. rewrite (scores_lead p1 p2 tau _ (fun d => if Rle_dec d 0 then 1 else 0)).
  - simpl. rewrite Rminus_eq_0. reflexivity.
  - intros s1 s2. destruct (Nat.leb_spec s1 s2) as [L|L]; destruct (Rle_dec (INR s1 - INR s2) 0) as [D|D]; try reflexivity.
    + apply le_INR in L. lra.
    + apply lt_INR in L. lra. }
assert (P : forall s, 0 < s -> scores p1 p2 tau (fun s1 s2 => Rpower s (INR s1 - INR s2)) 0 0 = base s ^ tau).
{ intros s S. rewrite (scores_lead p1 p2 tau _ (fun d => Rpower s d)) by reflexivity. fold u v. rewrite lead_power by exact S.
  simpl INR. rewrite Rminus_eq_0, Rpower_O by exact S. unfold base. ring. }
pose proof (sqrt_lt_R0 u U) as SU. pose proof (sqrt_lt_R0 v V) as SV. assert (L : sqrt u < sqrt v) by (apply sqrt_lt_1_alt; lra).
pose proof (sqrt_sqrt u (Rlt_le _ _ U)) as EU. pose proof (sqrt_sqrt v (Rlt_le _ _ V)) as EV.
split; [|split; [|split; [|split]]].
- intros s S. rewrite P by lra. split; [rewrite R; apply behind_power; lra|]. split; [reflexivity|]. apply best_power; lra.
- unfold best. split; [apply Rdiv_lt_0_compat; lra|]. apply Rmult_lt_reg_r with (sqrt v); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
- unfold base, best, M. apply (best_power v u 1); lra.
- rewrite R. apply behind_bound; lra.
- unfold M. assert (E : p1 - p2 = (sqrt v - sqrt u) * (sqrt v + sqrt u)) by (transitivity (v - u); [unfold u, v; ring | nra]).
  assert (S2 : (sqrt v + sqrt u) ^ 2 <= 2) by (assert (0 <= (sqrt v - sqrt u) ^ 2) by apply pow2_ge_0; nra).
  apply power_exp.
  + rewrite E, Rpow_mult_distr. pose proof (pow2_ge_0 (sqrt v - sqrt u)). nra.
  + nra.
Qed.

(* H4-stages, H6-error: at least as many losses as wins in n independent trials, each won with chance p of at least 1/2. *)
Theorem majority_lost p n : 1 / 2 < p <= 1 -> behind p (1 - p) n 0 <= sqrt (4 * (p * (1 - p))) ^ n.
Proof.
intros [P [Q | ->]].
- eapply Rle_trans; [apply behind_bound; lra|]. right. f_equal.
  rewrite sqrt_mult by nra. replace (sqrt 4) with 2 by (replace 4 with (2 * 2) by ring; rewrite sqrt_square; lra). rewrite sqrt_mult by lra.
  pose proof (sqrt_sqrt p ltac:(lra)). pose proof (sqrt_sqrt (1 - p) ltac:(lra)). nra.
- replace (4 * (1 * (1 - 1))) with 0 by ring. rewrite sqrt_0.
  assert (Z : forall n d, 0 < d -> behind 1 (1 - 1) n d = 0).
  { clear. unfold behind. induction n as [|n I]; intros d D; simpl; [destruct (Rle_dec d 0); lra|]. rewrite I by lra. ring. }
  destruct n as [|n]; [unfold behind; simpl; destruct (Rle_dec 0 0); lra|]. rewrite pow_i by lia. right.
  pose proof (Z n (0 + 1) ltac:(lra)) as E. unfold behind in *. simpl. rewrite E. ring.
Qed.

(* H4-stages: answers are resampled if at most half of their tau tokens scored, those of right answers with chance p1, of wrong ones with
   chance 1 - p1. Few right answers are resampled and few wrong ones kept; then reflection helps, by A3. *)
Theorem partial_score p1 tau p : 1 / 2 < p1 < 1 -> 0 < p < 1 -> (0 < tau)%nat ->
  let a := 1 - behind p1 (1 - p1) tau 0 in let b := behind (1 - p1) p1 tau 0 in let bound := sqrt (4 * (p1 * (1 - p1))) ^ tau in
  1 - a <= bound /\ 1 - b <= bound /\ (bound < 1 / 2 -> p * a / (1 - (p * (1 - a) + (1 - p) * b)) > p).
Proof.
intros P HP T a b bound. pose proof (majority_lost p1 tau ltac:(lra)) as B. fold bound in B.
assert (POS : forall v u f, 0 < v -> 0 < u -> v + u = 1 -> (forall d, 0 <= f d) -> forall n d, 0 < f (d + INR n) -> 0 < Lead v u n f d).
{ clear. intros v u f V U W F. assert (NN : forall n d, 0 <= Lead v u n f d).
  { induction n as [|n I]; intro d; simpl; [apply F|]. pose proof (I (d + 1)). pose proof (I (d - 1)). replace (1 - v - u) with 0 by lra. nra. }
  induction n as [|n I]; intros d H; [simpl in *; rewrite Rplus_0_r in H; exact H|]. rewrite S_INR in H. simpl.
  pose proof (I (d + 1) ltac:(replace (d + 1 + INR n) with (d + (INR n + 1)) by ring; exact H)). pose proof (NN n (d - 1)).
  replace (1 - v - u) with 0 by lra. nra. }
assert (N : 0 < INR tau) by (apply lt_0_INR, T).
assert (A1 : 0 < ahead p1 (1 - p1) tau 0).
{ apply POS; try lra; [intro d|]; destruct (Rle_dec _ 0); lra. }
assert (B1 : 0 < ahead (1 - p1) p1 tau 0).
{ apply POS; try lra; [intro d|]; destruct (Rle_dec _ 0); lra. }
assert (A0 : 0 < behind p1 (1 - p1) tau 0).
{ unfold behind. rewrite lead_mirror, Ropp_0. apply POS; try lra; [intro d|]; destruct (Rle_dec _ 0); lra. }
assert (AB : ahead (1 - p1) p1 tau 0 <= behind p1 (1 - p1) tau 0).
{ unfold ahead. rewrite lead_mirror, Ropp_0. apply lead_le; try lra. intro d. destruct (Rle_dec d 0), (Rle_dec (- d) 0); lra. }
assert (B0 : b = 1 - ahead (1 - p1) p1 tau 0) by apply behind_ahead.
split; [unfold a; lra|]. split; [lra|]. intro H. pose proof (behind_ahead p1 (1 - p1) tau 0) as E.
apply A3_minimal; unfold a; lra.
Qed.

(* H6-error. A duel of an action that succeeds with chance P1 and one with P2: k is the link's value at 1, less 1/2; a coin decides ties. *)
Definition duel P1 P2 k := P1 * (1 - P2) * (1 / 2 + k) + (1 - P1) * P2 * (1 / 2 - k) + (P1 * P2 + (1 - P1) * (1 - P2)) / 2.

Theorem duels_lost P1 P2 k n : 0 <= P2 < P1 -> P1 <= 1 -> 0 < k <= 1 / 2 -> let g := k * (P1 - P2) in
  duel P1 P2 k = 1 / 2 + g
  /\ behind (duel P1 P2 k) (1 - duel P1 P2 k) n 0 <= sqrt (1 - 4 * g ^ 2) ^ n
  /\ sqrt (1 - 4 * g ^ 2) ^ n <= exp (- 2 * INR n * g ^ 2).
Proof.
intros A B K g. assert (E : duel P1 P2 k = 1 / 2 + g) by (unfold duel, g; field).
assert (G : 0 < g <= 1 / 2).
{ unfold g. split; [apply Rmult_lt_0_compat; lra|]. apply Rle_trans with (1 / 2 * 1); [apply Rmult_le_compat; lra | lra]. }
split; [exact E|]. rewrite E. split.
- apply Rle_trans with (1 := majority_lost (1 / 2 + g) n ltac:(lra)). right. f_equal. f_equal. field.
- assert (Q : sqrt (1 - 4 * g ^ 2) <= exp (- (2 * g ^ 2))).
  { assert (X : 1 - 4 * g ^ 2 <= exp (- (2 * g ^ 2)) ^ 2).
    { rewrite exp_power. pose proof (exp_ineq1_le (INR 2 * - (2 * g ^ 2))) as D. simpl INR in *. lra. }
    apply sqrt_le_1_alt in X. rewrite sqrt_pow2 in X by apply Rlt_le, exp_pos. exact X. }
  replace (- 2 * INR n * g ^ 2) with (INR n * - (2 * g ^ 2)) by ring. rewrite <- exp_power. apply pow_incr. split; [apply sqrt_pos | exact Q].
Qed.

(* Chances 4/5 and 1/5: u = 1/25, v = 16/25, M = 16/25; one token of each rejects the better answer with probability 9/25. *)
Example early_rejection_met : let rejected := scores (4 / 5) (1 / 5) 1 (fun s1 s2 => if Nat.leb s1 s2 then 1 else 0) 0 0 in
  rejected = 9 / 25 /\ rejected <= 16 / 25 /\ forall tau, scores (4 / 5) (1 / 5) tau (fun s1 s2 => if Nat.leb s1 s2 then 1 else 0) 0 0 <= (16 / 25) ^ tau.
Proof.
intro rejected. assert (H : forall tau, scores (4 / 5) (1 / 5) tau (fun s1 s2 => if Nat.leb s1 s2 then 1 else 0) 0 0 <= (16 / 25) ^ tau).
{ intro tau. destruct (early_rejection (4 / 5) (1 / 5) tau ltac:(lra) ltac:(lra)) as [_ [_ [_ [H _]]]].
  replace ((1 - 4 / 5) * (1 / 5)) with (1 / 5 * (1 / 5)) in H by field. replace (4 / 5 * (1 - 1 / 5)) with (4 / 5 * (4 / 5)) in H by field.
  rewrite !sqrt_square in H by lra. replace (1 - (4 / 5 - 1 / 5) ^ 2) with (16 / 25) in H by field. exact H. }
split; [unfold rejected; simpl; field|]. split; [pose proof (H 1%nat) as X; rewrite pow_1 in X; exact X | exact H].
Qed.

(* Nine tokens that are right four times in five: at most (4/5)^9, below 1/2, of the right answers are resampled and of the wrong kept. *)
Example partial_score_met p : 0 < p < 1 -> let a := 1 - behind (4 / 5) (1 - 4 / 5) 9 0 in let b := behind (1 - 4 / 5) (4 / 5) 9 0 in
  1 - a <= (4 / 5) ^ 9 /\ 1 - b <= (4 / 5) ^ 9 /\ p * a / (1 - (p * (1 - a) + (1 - p) * b)) > p.
Proof.
intros P a b. destruct (partial_score (4 / 5) 9 p ltac:(lra) P ltac:(lia)) as [A [B H]]. fold a b in A, B, H.
replace (sqrt (4 * (4 / 5 * (1 - 4 / 5)))) with (4 / 5) in *.
- split; [exact A|]. split; [exact B|]. apply H. simpl. lra.
- replace (4 * (4 / 5 * (1 - 4 / 5))) with (4 / 5 * (4 / 5)) by field. rewrite sqrt_square; lra.
Qed.

(* Three duels of success 3/4 against 1/4 that the better reward always wins: g = 1/4. *)
Example duels_lost_met : duel (3 / 4) (1 / 4) (1 / 2) = 3 / 4 /\ behind (3 / 4) (1 - 3 / 4) 3 0 = 5 / 32 /\ 5 / 32 <= exp (- (3 / 8)).
Proof.
destruct (duels_lost (3 / 4) (1 / 4) (1 / 2) 3 ltac:(lra) ltac:(lra) ltac:(lra)) as [E [B X]].
assert (D : duel (3 / 4) (1 / 4) (1 / 2) = 3 / 4) by (rewrite E; field). rewrite D in B.
assert (L : behind (3 / 4) (1 - 3 / 4) 3 0 = 5 / 32).
{ unfold behind. simpl. repeat (destruct (Rle_dec _ 0); [try (exfalso; lra) | try (exfalso; lra)]); field. }
split; [exact D|]. split; [exact L|]. rewrite L in B. apply Rle_trans with (1 := B). apply Rle_trans with (1 := X). right. f_equal. simpl. field.
Qed.
