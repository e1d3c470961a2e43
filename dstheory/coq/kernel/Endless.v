(* The optimum among policies that remember everything, and when there is one without discount and cap. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List.
From Kernel Require Import Sums Chain Accuracy Optimum.
Open Scope R_scope.

Section Memory.
Variables (n : nat) (ref r Rs Rr : nat -> R) (Ts Td g : R).
Hypothesis ref_pos : forall i, (i < n)%nat -> 0 < ref i.
Hypothesis ref_sum : Sum n ref = 1.
Hypothesis r_in : forall y, (y < n)%nat -> 0 < r y < 1.
Hypothesis Ts_pos : 0 < Ts.
Hypothesis Td_pos : 0 < Td.
Hypothesis discount : 0 <= g <= 1.
Notation phi := (Phi n ref r Rs Rr Ts Td g).
Notation payoff := (turn n ref r Rs Rr Ts Td g).

Lemma payoff_sum p s V : payoff p s V = payoff p s 0 + g * again n p s * V.
Proof.
unfold turn, penalised, choices, again. rewrite Rmult_assoc, (Rmult_comm (Sum n _) V), <- !Sum_scal, <- Sum_plus.
apply Sum_ext; intros y _. simpl. ring.
Qed.

(* A policy that remembers: h holds the answers so far, after each of which it resampled. It earns, penalties included, in T turns,
   u after them; with the probability `going`, discounted, it has not stopped by then. *)
Section Policy.
Variables p s : list nat -> nat -> R.
Hypothesis p_sum : forall h, Sum n (p h) = 1.
Hypothesis p_in : forall h y, (y < n)%nat -> 0 <= p h y.
Hypothesis s_in : forall h y, (y < n)%nat -> 0 <= s h y <= 1.
Fixpoint earned u T h := match T with
  | O => u
  | S T => penalised n ref Ts (fun y => penalised 2 (two (r y) (1 - r y)) Td (two (Rs y) (Rr y + g * earned u T (y :: h)))
      (two (s h y) (1 - s h y))) (p h)
  end.
Fixpoint going T h := match T with O => 1 | S T => Sum n (fun y => p h y * (1 - s h y) * (g * going T (y :: h))) end.
Fixpoint taken T h := match T with O => 0 | S T => 1 + Sum n (fun y => p h y * (1 - s h y) * (g * taken T (y :: h))) end.

Lemma earned_step u v T h : earned u (S T) h
  = payoff (p h) (s h) v + Sum n (fun y => p h y * (1 - s h y) * (g * (earned u T (y :: h) - v))).
Proof. unfold turn, choices. simpl earned. unfold penalised. rewrite <- Sum_plus. apply Sum_ext; intros y _. simpl. ring. Qed.

Lemma earned_end u T : forall h, earned u T h = earned 0 T h + u * going T h.
Proof.
induction T as [|T I]; intro h; [simpl; ring|]. rewrite !(earned_step _ 0 T h). simpl going. rewrite <- Sum_scal, Rplus_assoc, <- Sum_plus.
f_equal. apply Sum_ext; intros y _. rewrite I. ring.
Qed.

Lemma step_in h y x : (y < n)%nat -> 0 <= x -> 0 <= p h y * (1 - s h y) * (g * x).
Proof.
intros Hy X. pose proof (p_in h y Hy). pose proof (s_in h y Hy). repeat apply Rmult_le_pos; lra.
Qed.

Lemma going_in T : forall h, 0 <= going T h <= 1.
Proof.
induction T as [|T I]; intro h; simpl; [lra|]. split.
- apply Sum_nonneg; intros y Hy. apply step_in; [exact Hy | apply I].
- apply Rle_trans with (Sum n (p h)); [|rewrite p_sum; lra]. apply Sum_le; intros y Hy.
  pose proof (p_in h y Hy). pose proof (s_in h y Hy). pose proof (I (y :: h)).
  assert (0 <= g * going T (y :: h) <= 1) by nra. set (x := g * going T (y :: h)) in *.
  assert (0 <= (1 - s h y) * x <= 1) by (clearbody x; nra). rewrite Rmult_assoc. nra.
Qed.

(* The discounted number of turns in T turns is at least T times the probability of going on after them. *)
Lemma taken_long T : forall h, INR T * going T h <= taken T h.
Proof.
induction T as [|T I]; intro h; [simpl; lra|]. rewrite S_INR. pose proof (going_in (S T) h) as G.
assert (INR T * going (S T) h <= taken (S T) h - 1); [|lra].
simpl. replace (1 + Sum n _ - 1) with (Sum n (fun y => p h y * (1 - s h y) * (g * taken T (y :: h)))) by ring.
rewrite <- Sum_scal. apply Sum_le; intros y Hy.
replace (INR T * (p h y * (1 - s h y) * (g * going T (y :: h)))) with (p h y * (1 - s h y) * (g * (INR T * going T (y :: h)))) by ring.
pose proof (step_in h y (taken T (y :: h) - INR T * going T (y :: h)) Hy ltac:(pose proof (I (y :: h)); lra)). lra.
Qed.

(* If a turn before u is worth at most u - d, so much is lost in every turn. *)
Lemma earned_loses u d T : phi u <= u - d -> forall h, earned u T h <= u - d * taken T h.
Proof.
intro D. induction T as [|T I]; intro h; [simpl; lra|]. rewrite (earned_step u u T h).
pose proof (turn_le n ref r Rs Rr Ts Td g ref_pos ref_sum r_in Ts_pos Td_pos (p h) (s h) u (p_sum h) (p_in h) (s_in h)) as B.
assert (X : Sum n (fun y => p h y * (1 - s h y) * (g * (earned u T (y :: h) - u))) <= - d * (taken (S T) h - 1)).
{ simpl. replace (- d * (1 + Sum n _ - 1)) with (- d * Sum n (fun y => p h y * (1 - s h y) * (g * taken T (y :: h)))) by ring.
  rewrite <- Sum_scal. apply Sum_le; intros y Hy.
  pose proof (step_in h y (- d * taken T (y :: h) - (earned u T (y :: h) - u)) Hy ltac:(pose proof (I (y :: h)); lra)). lra. }
lra.
Qed.

(* E1: no policy exceeds the solution V of the soft Bellman equation, whatever it remembers, discounted or not, and whether or not it
   ever stops: what it earns in T turns is in the end at most V + eps, for any eps. *)
Theorem every_policy V h : phi V = V ->
  (forall eps, 0 < eps -> exists N, forall T, (N <= T)%nat -> earned 0 T h <= V + eps)
  /\ (forall J, is_lim_seq (fun T => earned 0 T h) J -> Rbar_le J V).
Proof.
intro HV.
assert (A : forall eps, 0 < eps -> exists N, forall T, (N <= T)%nat -> earned 0 T h <= V + eps).
{ intros eps E. assert (B : forall T, earned 0 T h <= V - V * going T h).
  { intro T. pose proof (earned_loses V 0 T ltac:(lra) h) as L. rewrite earned_end in L. lra. }
  destruct (Rle_lt_dec 0 V) as [P|N].
  - exists 0%nat. intros T _. pose proof (B T). pose proof (going_in T h). nra.
  - set (U := V + 1). pose proof (Phi_lt n ref r Rs Rr Ts Td g ref_pos ref_sum r_in Ts_pos Td_pos discount V U ltac:(unfold U; lra)) as D.
    rewrite HV in D. set (d := U - phi U). assert (D0 : 0 < d) by (unfold d, U in *; lra).
    set (x := eps / - V). assert (X : 0 < x) by (apply Rdiv_lt_0_compat; lra). assert (XV : x * - V = eps) by (unfold x; field; lra).
    assert (DX : 0 < d * x) by (apply Rmult_lt_0_compat; assumption).
    pose proof (Rabs_pos U). pose proof (Rabs_pos (V - U)).
    destruct (nfloor_ex ((1 + Rabs U + Rabs (V - U)) / (d * x))) as [K [_ HK]]; [apply Rlt_le, Rdiv_lt_0_compat; lra|].
    exists (S K). intros T HT.
    destruct (Rle_lt_dec (going T h) x) as [S|S]; [pose proof (B T); nra|].
    pose proof (earned_loses U d T ltac:(unfold d; lra) h) as L. rewrite earned_end in L. pose proof (taken_long T h) as G.
    apply le_INR in HT. rewrite S_INR in HT. pose proof (going_in T h) as I.
    assert (Q : 1 + Rabs U + Rabs (V - U) < INR T * (d * x)).
    { apply Rmult_lt_reg_r with (/ (d * x)); [apply Rinv_0_lt_compat, DX|]. rewrite Rmult_assoc, Rinv_r by lra. unfold Rdiv in HK. lra. }
    pose proof (pos_INR T). assert (INR T * x <= taken T h) by nra. assert (INR T * (d * x) <= d * taken T h) by nra.
    pose proof (Rle_abs (V - U)). pose proof (Rle_abs (- (V - U))) as M. rewrite Rabs_Ropp in M.
    pose proof (Rle_abs (- U)) as M2. rewrite Rabs_Ropp in M2. pose proof (Rabs_pos U). assert (- (U * going T h) <= Rabs U) by nra. lra. }
split; [exact A|]. intros J HJ.  destruct J as [J| |]; simpl; [|exfalso|exact I].
- apply le_epsilon. intros eps E. destruct (A eps E) as [N HN].
  apply (is_lim_seq_le_loc (fun T => earned 0 T h) (fun _ => V + eps) J (V + eps)); [exists N; exact HN | exact HJ | apply is_lim_seq_const].
- destruct (A 1 ltac:(lra)) as [N HN].
  apply (is_lim_seq_le_loc (fun T => earned 0 T h) (fun _ => V + 1) p_infty (V + 1)); [exists N; exact HN | exact HJ | apply is_lim_seq_const].
Qed.
End Policy.

(* The tilted reference, which remembers nothing, earns V. *)
Theorem memory_attained V h : phi V = V ->
  is_lim_seq (fun T => earned (fun _ => tilt n ref Ts (W r Rs Rr Td g V)) (fun _ => s_opt r Rs Rr Td g V) 0 T h) V.
Proof.
intro HV. set (p := fun _ : list nat => tilt n ref Ts (W r Rs Rr Td g V)). set (s := fun _ : list nat => s_opt r Rs Rr Td g V).
assert (Hn : (0 < n)%nat) by (apply (some_answer n ref); assumption).
assert (S : forall y, (y < n)%nat -> 0 < s nil y < 1) by (intros y Hy; apply (s_opt_odds n); assumption).
assert (P : policy n (p nil) (s nil)).
{ split; [apply tilt_sum; assumption|]. split; intros y Hy; [apply Rlt_le, tilt_pos; assumption | pose proof (S y Hy); lra]. }
assert (Q : 0 <= g * again n (p nil) (s nil) < 1).
{ pose proof (again_in n _ _ P). pose proof (again_lt_1 n _ _ 0 P Hn ltac:(apply tilt_pos; assumption) (proj1 (S 0%nat Hn))). nra. }
set (q := g * again n (p nil) (s nil)) in *.
assert (G : forall T h, going p s T h = q ^ T).
{ induction T as [|T I]; intro k; [reflexivity|]. simpl. rewrite (Sum_ext n _ (fun y => p nil y * (1 - s nil y) * (g * q ^ T)))
    by (intros; rewrite I; reflexivity). rewrite Sum_scal_r. fold (again n (p nil) (s nil)). unfold q. ring. }
assert (E : forall T h, earned p s V T h = V).
{ induction T as [|T I]; intro k; [reflexivity|]. rewrite (earned_step p s V V T k). rewrite (Sum_zero n (fun y => _ * (g * _))) by (intros; rewrite I; ring).
  rewrite Rplus_0_r. symmetry. apply soft_bellman_attained; assumption. }
apply is_lim_seq_ext with (fun T => V - V * q ^ T).
- intro T. pose proof (earned_end p s V T h) as X. rewrite E, G in X. lra.
- replace (Finite V) with (Finite (V - V * 0)) by (f_equal; ring). apply is_lim_seq_minus'; [apply is_lim_seq_const|].
  apply is_lim_seq_mult'; [apply is_lim_seq_const | apply is_lim_seq_geom; rewrite Rabs_pos_eq; lra].
Qed.

Lemma Phi_one V U : phi V = V -> phi U = U -> U = V.
Proof.
intros HV HU. destruct (Rtotal_order U V) as [L|[E|L]]; [|exact E|].
- pose proof (Phi_lt n ref r Rs Rr Ts Td g ref_pos ref_sum r_in Ts_pos Td_pos discount U V L). lra.
- pose proof (Phi_lt n ref r Rs Rr Ts Td g ref_pos ref_sum r_in Ts_pos Td_pos discount V U L). lra.
Qed.
End Memory.

(* E1-endless: no discount and no cap, any number of answers, any rewards and temperatures. *)
Section Endless.
Variables (n : nat) (ref r Rs Rr : nat -> R) (Ts Td : R).
Hypothesis ref_pos : forall i, (i < n)%nat -> 0 < ref i.
Hypothesis ref_sum : Sum n ref = 1.
Hypothesis r_in : forall y, (y < n)%nat -> 0 < r y < 1.
Hypothesis Ts_pos : 0 < Ts.
Hypothesis Td_pos : 0 < Td.
Notation phi := (Phi n ref r Rs Rr Ts Td 1).
Notation payoff := (turn n ref r Rs Rr Ts Td 1).

(* The best penalised payoff of a turn among policies that never stop. *)
Definition never := soft n ref Ts (fun y => Rr y + Td * ln (1 - r y)).

Theorem never_best p : Sum n p = 1 -> (forall y, (y < n)%nat -> 0 <= p y) ->
  payoff p (fun _ => 0) 0 <= never /\ payoff (tilt n ref Ts (fun y => Rr y + Td * ln (1 - r y))) (fun _ => 0) 0 = never.
Proof.
assert (E : forall q, payoff q (fun _ => 0) 0 = penalised n ref Ts (fun y => Rr y + Td * ln (1 - r y)) q).
{ intro q. unfold turn, penalised at 1 3. apply Sum_ext; intros y Hy. pose proof (r_in y Hy). unfold penalised, choices; simpl.
  replace ((1 - 0) / (1 - r y)) with (/ (1 - r y)) by (field; lra). rewrite ln_Rinv by lra. ring. }
intros H P. rewrite !E. split; [apply stage_optimum; assumption | apply stage_attained; assumption].
Qed.

(* What an answer gains by its choice to stop tends to 0 as V grows, *)
Lemma gain_small eps : 0 < eps -> exists V, forall y, (y < n)%nat -> W r Rs Rr Td 1 V y <= Rr y + Td * ln (1 - r y) + V + eps.
Proof.
intro E. set (need := fun y => Rs y - Rr y - Td * ln (1 - r y) - Td * ln (1 - exp (- (eps / Td)))).
assert (HN : exists V, forall y, (y < n)%nat -> need y <= V).
{ clear. induction n as [|m [V I]]; [exists 0; intros; lia|]. exists (Rmax V (need m)). intros y Hy.
  destruct (Nat.eq_dec y m) as [->|N]; [apply Rmax_r|]. apply Rle_trans with V; [apply I; lia | apply Rmax_l]. }
destruct HN as [V HV]. exists V. intros y Hy. pose proof (HV y Hy) as B. pose proof (r_in y Hy) as R. unfold need in B.
assert (E0 : 0 < exp (- (eps / Td)) < 1).
{ split; [apply exp_pos|]. rewrite <- exp_0. apply exp_increasing. assert (0 < eps / Td) by (apply Rdiv_lt_0_compat; assumption). lra. }
set (e := exp (- (eps / Td))) in *. set (b := Rr y + V).
assert (X : exp (Rs y / Td) <= (1 - r y) * exp (b / Td) * (1 - e)).
{ rewrite <- (exp_ln (1 - r y)) by lra. rewrite <- (exp_ln (1 - e)) by lra. rewrite <- !exp_plus.
  assert (I : Rs y / Td <= ln (1 - r y) + b / Td + ln (1 - e)).
  { apply Rmult_le_reg_r with Td; [exact Td_pos|]. unfold b. field_simplify; lra. }
  destruct I as [I | ->]; [apply Rlt_le, exp_increasing, I | lra]. }
assert (M : mass 2 (two (r y) (1 - r y)) Td (choices Rs Rr 1 V y) <= (1 - r y) * exp (b / Td) * exp (eps / Td)).
{ unfold mass, choices; simpl. rewrite Rmult_1_l. fold b. assert (EE : exp (eps / Td) * e = 1) by (unfold e; rewrite exp_Ropp; field; apply Rgt_not_eq, exp_pos).
  pose proof (exp_pos (b / Td)). assert (0 < (1 - r y) * exp (b / Td)) by (apply Rmult_lt_0_compat; lra).
  assert (0 < exp (Rs y / Td)) by apply exp_pos. set (c := (1 - r y) * exp (b / Td)) in *. set (a := exp (Rs y / Td)) in *.
  assert (Y : c * (1 - e) <= c * (exp (eps / Td) - 1)).
  { apply Rmult_le_compat_l; [lra|]. set (f := exp (eps / Td)) in *. assert (0 < f) by apply exp_pos. nra. }
  assert (r y * a <= a) by nra. lra. }
unfold W, soft. apply Rle_trans with (Td * ln ((1 - r y) * exp (b / Td) * exp (eps / Td))).
- apply Rmult_le_compat_l; [lra|]. apply Rcomplements.ln_le; [apply mass_pos; [apply two_pos, R | apply two_sum] | exact M].
- rewrite !ln_mult, !ln_exp by (try apply Rmult_lt_0_compat; (apply exp_pos || lra)). unfold b. right. field. lra.
Qed.

(* and is always positive. *)
Lemma gain_pos V y : (y < n)%nat -> Rr y + Td * ln (1 - r y) + V < W r Rs Rr Td 1 V y.
Proof.
intro Hy. pose proof (r_in y Hy) as R. unfold W, soft.
replace (Rr y + Td * ln (1 - r y) + V) with (Td * ln ((1 - r y) * exp ((Rr y + 1 * V) / Td))).
- apply Rmult_lt_compat_l; [exact Td_pos|]. apply ln_increasing; [apply Rmult_lt_0_compat; [lra | apply exp_pos]|].
  unfold mass, choices; simpl. assert (0 < r y * exp (Rs y / Td)) by (apply Rmult_lt_0_compat; [lra | apply exp_pos]). lra.
- rewrite ln_mult, ln_exp by (apply exp_pos || lra). field. lra.
Qed.

(* The soft Bellman equation has a solution, then exactly one, if and only if never stopping loses something in every turn. *)
Theorem endless_iff : (exists V, phi V = V) <-> never < 0.
Proof.
assert (SH : forall Q c, soft n ref Ts (fun y => Q y + c) = soft n ref Ts Q + c).
{ intros Q c. apply Rle_antisym; [apply soft_le; try assumption; intros; lra|].
  assert (soft n ref Ts Q <= soft n ref Ts (fun y => Q y + c) + - c) by (apply soft_le; try assumption; intros; lra). lra. }
split.
- intros [V HV]. assert (never + V < phi V); [|lra]. unfold never. rewrite <- SH, <- (Rplus_0_r (phi V)).
  apply soft_lt; try assumption. intros y Hy. pose proof (gain_pos V y Hy). lra.
- intro C. destruct (gain_small (- never) ltac:(lra)) as [B HB]. set (f := fun V => phi V - V).
  set (A := Rmin (soft n ref Ts (fun y => Rs y + Td * ln (r y))) (B - 1)).
  assert (FB : f B <= 0).
  { unfold f. assert (phi B <= never + (B + - never)); [|lra]. unfold never at 1. apply soft_le; try assumption.
    intros y Hy. pose proof (HB y Hy). lra. }
  assert (FA : 0 <= f A).
  { unfold f. assert (soft n ref Ts (fun y => Rs y + Td * ln (r y)) <= phi A + 0).
    - apply soft_le; try assumption. intros y Hy. pose proof (r_in y Hy) as R. unfold W, soft.
      replace (Rs y + Td * ln (r y)) with (Td * ln (r y * exp (Rs y / Td))) by (rewrite ln_mult, ln_exp by (apply exp_pos || lra); field; lra).
      rewrite Rplus_0_r. apply Rmult_le_compat_l; [lra|]. apply Rcomplements.ln_le; [apply Rmult_lt_0_compat; [lra | apply exp_pos]|].
      unfold mass, choices; simpl. pose proof (exp_pos ((Rr y + 1 * A) / Td)).
      assert (0 < (1 - r y) * exp ((Rr y + 1 * A) / Td)) by (apply Rmult_lt_0_compat; lra). lra.
    - pose proof (Rmin_l (soft n ref Ts (fun y => Rs y + Td * ln (r y))) (B - 1)). fold A in H0. lra. }
  assert (AB : A < B) by (pose proof (Rmin_r (soft n ref Ts (fun y => Rs y + Td * ln (r y))) (B - 1)); fold A in H; lra).
  assert (CO : continuity f).
  { intros x eps E. exists (eps / 2). split; [lra|]. intros y [_ D]. simpl in *. unfold R_dist in *. unfold f.
    pose proof (contraction n ref r Rs Rr Ts Td 1 ref_pos ref_sum r_in Ts_pos Td_pos ltac:(lra) y x) as K. pose proof (Rabs_pos (y - x)).
    replace (phi y - y - (phi x - x)) with ((phi y - phi x) + - (y - x)) by ring.
    pose proof (Rabs_triang (phi y - phi x) (- (y - x))) as T. rewrite Rabs_Ropp in T. lra. }
  destruct (IVT_cor f A B CO ltac:(lra) ltac:(nra)) as [V [_ HV]]. exists V. unfold f in HV. lra.
Qed.

(* So there is an optimum among the policies that end if and only if never stopping loses something in every turn. *)
Theorem endless_optimum :
  (exists p s J, policy n p s /\ again n p s < 1 /\ J = payoff p s J
     /\ forall p' s' J', policy n p' s' -> again n p' s' < 1 -> J' = payoff p' s' J' -> J' <= J)
  <-> never < 0.
Proof.
assert (Hn : (0 < n)%nat) by (apply (some_answer n ref); assumption).
assert (TP : forall V, policy n (tilt n ref Ts (W r Rs Rr Td 1 V)) (s_opt r Rs Rr Td 1 V)
  /\ again n (tilt n ref Ts (W r Rs Rr Td 1 V)) (s_opt r Rs Rr Td 1 V) < 1).
{ intro V. assert (S : forall y, (y < n)%nat -> 0 < s_opt r Rs Rr Td 1 V y < 1) by (intros y Hy; apply (s_opt_odds n); assumption).
  assert (P : policy n (tilt n ref Ts (W r Rs Rr Td 1 V)) (s_opt r Rs Rr Td 1 V)).
  { split; [apply tilt_sum; assumption|]. split; intros y Hy; [apply Rlt_le, tilt_pos; assumption | pose proof (S y Hy); lra]. }
  split; [exact P|]. apply (again_lt_1 n _ _ 0 P Hn); [apply tilt_pos; assumption | apply S, Hn]. }
split.
- intros [p [s [J [P [Q [HJ B]]]]]]. apply endless_iff. exists J. destruct P as [H [P S]].
  pose proof (turn_le n ref r Rs Rr Ts Td 1 ref_pos ref_sum r_in Ts_pos Td_pos p s J H P S) as L. rewrite <- HJ in L.
  destruct (Rle_lt_or_eq_dec _ _ L) as [L'|E]; [exfalso|symmetry; exact E].
  destruct (TP J) as [P' Q']. pose proof (turn_attained n ref r Rs Rr Ts Td 1 ref_pos ref_sum r_in Ts_pos Td_pos J) as A.
  set (p' := tilt n ref Ts (W r Rs Rr Td 1 J)) in *. change (fun y => tilt 2 _ Td _ 0) with (s_opt r Rs Rr Td 1 J) in A.
  set (s' := s_opt r Rs Rr Td 1 J) in *. rewrite payoff_sum in A. set (x := payoff p' s' 0) in *. set (q := again n p' s') in *.
  assert (X : x / (1 - q) <= J). { apply (B p' s'); try assumption. rewrite payoff_sum. fold x q. field. lra. }
  assert (x / (1 - q) * (1 - q) = x) by (field; lra). nra.
- intro C. destruct (proj2 endless_iff C) as [V HV]. destruct (TP V) as [P Q].
  exists (tilt n ref Ts (W r Rs Rr Td 1 V)), (s_opt r Rs Rr Td 1 V), V. split; [exact P|]. split; [exact Q|].
  split; [apply soft_bellman_attained; assumption|]. intros p' s' J' [H' [P' S']] Q' HJ.
  pose proof (turn_le n ref r Rs Rr Ts Td 1 ref_pos ref_sum r_in Ts_pos Td_pos p' s' J' H' P' S') as L. rewrite <- HJ in L.
  apply Rnot_lt_le. intro G. pose proof (Phi_lt n ref r Rs Rr Ts Td 1 ref_pos ref_sum r_in Ts_pos Td_pos ltac:(lra) V J' G). lra.
Qed.

(* It holds for a price kappa >= 0 per resample, whatever stopping earns. *)
Theorem endless_price kappa : (forall y, (y < n)%nat -> Rr y = - kappa) -> 0 <= kappa -> never < 0.
Proof.
intros H K. unfold never. rewrite <- (Rplus_0_r 0), <- (soft_const n ref Ts ref_sum Ts_pos 0) at 1.
apply soft_lt; try assumption. intros y Hy. rewrite (H y Hy). pose proof (r_in y Hy).
assert (ln (1 - r y) < 0) by (rewrite <- ln_1; apply ln_increasing; lra). nra.
Qed.
End Endless.

(* E1-endless, one temperature T: V = T log(A/(1 - C)), and the condition is C < 1. *)
Theorem endless_one_temperature n ref r Rs Rr T V : (forall i, (i < n)%nat -> 0 < ref i) -> Sum n ref = 1 ->
  (forall y, (y < n)%nat -> 0 < r y < 1) -> 0 < T ->
  let A := Sum n (fun y => ref y * r y * exp (Rs y / T)) in let C := Sum n (fun y => ref y * (1 - r y) * exp (Rr y / T)) in
  (Phi n ref r Rs Rr T T 1 V = V <-> C < 1 /\ V = T * ln (A / (1 - C))) /\ (never n ref r Rr T T < 0 <-> C < 1).
Proof.
intros Rp Rq Ri T0 A C. assert (Hn : (0 < n)%nat) by (apply (some_answer n ref); assumption).
assert (A0 : 0 < A) by (apply Sum_pos; [exact Hn|]; intros y Hy; pose proof (Ri y Hy); repeat apply Rmult_lt_0_compat; try apply exp_pos; auto; lra).
assert (C0 : 0 < C) by (apply Sum_pos; [exact Hn|]; intros y Hy; pose proof (Ri y Hy); repeat apply Rmult_lt_0_compat; try apply exp_pos; auto; lra).
assert (M : forall v, mass n ref T (W r Rs Rr T 1 v) = A + C * exp (v / T)).
{ intro v. unfold mass at 1, A, C. rewrite <- Sum_scal_r, <- Sum_plus. apply Sum_ext; intros y Hy. unfold W, soft.
  replace (T * ln (mass 2 (two (r y) (1 - r y)) T (choices Rs Rr 1 v y)) / T) with (ln (mass 2 (two (r y) (1 - r y)) T (choices Rs Rr 1 v y))) by (field; lra).
  rewrite exp_ln by (apply mass_pos; [apply two_pos, Ri, Hy | apply two_sum]). unfold mass, choices; simpl.
  replace ((Rr y + 1 * v) / T) with (Rr y / T + v / T) by (field; lra). rewrite exp_plus. ring. }
assert (EX : forall v x, 0 < x -> (T * ln x = v <-> x = exp (v / T))).
{ intros v x X. split; intro H.
  - rewrite <- H. replace (T * ln x / T) with (ln x) by (field; lra). rewrite exp_ln; auto.
  - rewrite H, ln_exp. field. lra. }
split.
- unfold Phi, soft. rewrite M. pose proof (exp_pos (V / T)) as E. rewrite EX by nra. split.
  + intro H. assert (L : C < 1) by nra. split; [exact L|]. symmetry. apply EX; [apply Rdiv_lt_0_compat; lra|].
    apply Rmult_eq_reg_r with (1 - C); [|lra]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
  + intros [L H]. symmetry in H. apply EX in H; [|apply Rdiv_lt_0_compat; lra]. rewrite <- H. field. lra.
- unfold never, soft. replace (mass n ref T (fun y => Rr y + T * ln (1 - r y))) with C.
  + split; intro H.
    * rewrite <- (exp_ln C C0), <- exp_0. apply exp_increasing. nra.
    * assert (ln C < 0) by (rewrite <- ln_1; apply ln_increasing; assumption). nra.
  + unfold mass, C. apply Sum_ext; intros y Hy. pose proof (Ri y Hy).
    replace ((Rr y + T * ln (1 - r y)) / T) with (Rr y / T + ln (1 - r y)) by (field; lra). rewrite exp_plus, exp_ln by lra. ring.
Qed.

(* Hence for terminal accuracy with a price, any temperatures, gamma = 1 included: there is exactly one solution. *)
Theorem terminal_solution n ref r right kappa Ts Td g : open_chain n ref r right -> 0 < Ts -> 0 < Td -> 0 <= g <= 1 -> 0 <= kappa ->
  exists V, Phi n ref r (ind right) (fun _ => - kappa) Ts Td g V = V
    /\ forall U, Phi n ref r (ind right) (fun _ => - kappa) Ts Td g U = U -> U = V.
Proof.
intros [Rq [Rp [Ri _]]] T0 Td0 G K. assert (E : exists V, Phi n ref r (ind right) (fun _ => - kappa) Ts Td g V = V).
{ destruct (Req_dec g 1) as [->|N].
  - apply endless_iff; try assumption. apply endless_price with kappa; auto.
  - destruct (soft_bellman_unique n ref r (ind right) (fun _ => - kappa) Ts Td g Rp Rq Ri T0 Td0 G ltac:(lra)) as [V [HV _]]. exists V. exact HV. }
destruct E as [V HV]. exists V. split; [exact HV|]. intros U HU.
apply (Phi_one n ref r (ind right) (fun _ => - kappa) Ts Td g); assumption.
Qed.

(* A bonus for resampling can break it: fair coins as reference, T = 1, a bonus for resampling the second of two answers. *)
Theorem endless_bonus bonus : 2 <= bonus -> forall Rs V,
  Phi 2 (fun _ => 1 / 2) (fun _ => 1 / 2) Rs (two 0 bonus) 1 1 1 V <> V.
Proof.
intros B Rs V H. destruct (endless_one_temperature 2 (fun _ => 1 / 2) (fun _ => 1 / 2) Rs (two 0 bonus) 1 V) as [E _].
- intros; lra.
- simpl; lra.
- intros; lra.
- lra.
- destruct (proj1 E H) as [C _]. simpl in C. replace (0 / 1) with 0 in C by field. rewrite exp_0 in C.
  replace (bonus / 1) with bonus in C by field. pose proof (exp_ineq1_le bonus). lra.
Qed.
