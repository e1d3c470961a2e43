(* The decisions' share of the accuracy gain in odds, and when it rises with the weight of sampling: E3-frozen. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Chain Accuracy Gibbs Optimum Share.
Open Scope R_scope.

(* The accuracy of odds x; its gain from odds z to z S D, S the factor of sampling and D that of decisions, in Shapley parts. *)
Definition of_odds x := x / (1 + x).
Definition sampling_odds z S D := ((of_odds (z * S) - of_odds z) + (of_odds (z * D * S) - of_odds (z * D))) / 2.
Definition decision_odds z S D := ((of_odds (z * D) - of_odds z) + (of_odds (z * S * D) - of_odds (z * S))) / 2.
Definition share_odds z S D := decision_odds z S D / (sampling_odds z S D + decision_odds z S D).

Definition cross z S D := (1 + z * D) * (1 + z * D * S) + D * (1 + z) * (1 + z * S).

Lemma share_form z S D : 0 < z -> 1 < S -> 1 < D ->
  share_odds z S D = (D - 1) * cross z D S / ((S - 1) * cross z S D + (D - 1) * cross z D S) /\ 0 < cross z D S /\ 0 < cross z S D.
Proof.
intros Z S1 D1. assert (0 < z * S) by (apply Rmult_lt_0_compat; lra). assert (0 < z * D) by (apply Rmult_lt_0_compat; lra).
assert (0 < z * D * S) by (apply Rmult_lt_0_compat; lra). assert (0 < z * S * D) by (apply Rmult_lt_0_compat; lra).
assert (A : 0 < cross z S D) by (unfold cross; apply Rplus_lt_0_compat; repeat apply Rmult_lt_0_compat; lra).
assert (B : 0 < cross z D S) by (unfold cross; apply Rplus_lt_0_compat; repeat apply Rmult_lt_0_compat; lra).
split; [|split; assumption]. set (M := (1 + z) * (1 + z * S) * (1 + z * D) * (1 + z * D * S)).
assert (M0 : 0 < M) by (unfold M; repeat apply Rmult_lt_0_compat; lra).
assert (PS : sampling_odds z S D = z * ((S - 1) * cross z S D) / (2 * M)) by (unfold sampling_odds, of_odds, cross, M; field; repeat split; lra).
assert (PD : decision_odds z S D = z * ((D - 1) * cross z D S) / (2 * M)) by (unfold decision_odds, of_odds, cross, M; field; repeat split; lra).
unfold share_odds. rewrite PS, PD. assert (0 < (S - 1) * cross z S D) by (apply Rmult_lt_0_compat; lra).
assert (0 < (D - 1) * cross z D S) by (apply Rmult_lt_0_compat; lra). set (u := (S - 1) * cross z S D) in *. set (v := (D - 1) * cross z D S) in *.
clearbody u v M. assert (0 < z * u) by (apply Rmult_lt_0_compat; lra). assert (0 < z * v) by (apply Rmult_lt_0_compat; lra).
field. repeat split; lra.
Qed.

(* It strictly falls in the factor of sampling *)
Theorem share_falls z S S' D : 0 < z -> 1 < S < S' -> 1 < D -> share_odds z S' D < share_odds z S D.
Proof.
intros Z [S1 SS] D1. destruct (share_form z S D Z S1 D1) as [-> [A B]]. destruct (share_form z S' D Z ltac:(lra) D1) as [-> [A' B']].
assert (E : (S' - 1) * cross z S' D * cross z D S - (S - 1) * cross z S D * cross z D S'
  = 2 * (S' - S) * (z + 1) * (D * z + 1) * (D ^ 2 * S * S' * z ^ 2 + D * S * S' * z ^ 2 + D * S * S' * z + D * S' * z + D * S * z + D * z + D + 1))
  by (unfold cross; ring).
assert (P : 0 < 2 * (S' - S) * (z + 1) * (D * z + 1) * (D ^ 2 * S * S' * z ^ 2 + D * S * S' * z ^ 2 + D * S * S' * z + D * S' * z + D * S * z + D * z + D + 1)).
{ assert (0 < D * z) by (apply Rmult_lt_0_compat; lra). assert (0 < z ^ 2) by (apply pow_lt, Z). assert (0 < D ^ 2) by (apply pow_lt; lra).
  repeat apply Rmult_lt_0_compat; try lra. repeat apply Rplus_lt_0_compat; repeat apply Rmult_lt_0_compat; lra. }
rewrite <- E in P. clear E. set (x := cross z S D) in *. set (y := cross z D S) in *. set (x' := cross z S' D) in *. set (y' := cross z D S') in *. clearbody x y x' y'.
assert (U : 0 < (S - 1) * x + (D - 1) * y) by (apply Rplus_lt_0_compat; apply Rmult_lt_0_compat; lra).
assert (U' : 0 < (S' - 1) * x' + (D - 1) * y') by (apply Rplus_lt_0_compat; apply Rmult_lt_0_compat; lra).
assert (F : (D - 1) * y / ((S - 1) * x + (D - 1) * y) - (D - 1) * y' / ((S' - 1) * x' + (D - 1) * y')
  = (D - 1) * ((S' - 1) * x' * y - (S - 1) * x * y') / (((S - 1) * x + (D - 1) * y) * ((S' - 1) * x' + (D - 1) * y'))) by (field; lra).
assert (0 < (D - 1) * ((S' - 1) * x' * y - (S - 1) * x * y') / (((S - 1) * x + (D - 1) * y) * ((S' - 1) * x' + (D - 1) * y'))).
{ apply Rdiv_lt_0_compat; apply Rmult_lt_0_compat; lra. }
lra.
Qed.

(* and strictly rises in that of decisions. *)
Theorem share_rises_in_decisions z S D D' : 0 < z -> 1 < S -> 1 < D < D' -> share_odds z S D < share_odds z S D'.
Proof.
intros Z S1 [D1 DD]. assert (C : forall d, 1 < d -> share_odds z S d = 1 - share_odds z d S).
{ intros d H. destruct (share_form z S d Z S1 H) as [-> [A B]]. destruct (share_form z d S Z H S1) as [-> _].
  assert (0 < (S - 1) * cross z S d) by (apply Rmult_lt_0_compat; lra). assert (0 < (d - 1) * cross z d S) by (apply Rmult_lt_0_compat; lra). field. lra. }
rewrite !C by lra. pose proof (share_falls z D D' S Z (conj D1 DD) S1). lra.
Qed.

(* The value of the optimum falls as the weight of sampling grows, any number of answers, any rewards. *)
Theorem value_falls n ref r Rs Rr T T' Td g V V' : (forall i, (i < n)%nat -> 0 < ref i) -> Sum n ref = 1 ->
  (forall y, (y < n)%nat -> 0 < r y < 1) -> 0 < T <= T' -> 0 < Td -> 0 <= g <= 1 ->
  Phi n ref r Rs Rr T Td g V = V -> Phi n ref r Rs Rr T' Td g V' = V' -> V' <= V.
Proof.
intros Rp Rq Ri TT Td0 G HV HV'. set (Q := W r Rs Rr Td g V').
assert (L : soft n ref T' Q <= soft n ref T Q).
{ rewrite <- (stage_attained n ref T' Rp Rq ltac:(lra) Q). set (p := tilt n ref T' Q).
  assert (PN : forall i, (i < n)%nat -> 0 <= p i) by (apply tilt_nonneg; assumption). assert (PS : Sum n p = 1) by (apply tilt_sum; assumption).
  destruct (stage_optimum n ref T Rp Rq ltac:(lra) Q p PS PN) as [O _]. destruct (gibbs n p ref PS Rq PN Rp) as [K _].
  assert (E : forall t, penalised n ref t Q p = Sum n (fun i => p i * Q i) - t * KL n p ref).
  { intro t. unfold penalised, KL. rewrite <- Sum_scal, <- Sum_minus. apply Sum_ext; intros; ring. }
  rewrite E in O. rewrite E. nra. }
apply Rnot_lt_le. intro F. pose proof (Phi_lt n ref r Rs Rr T Td g Rp Rq Ri ltac:(lra) Td0 G V V' F) as P. unfold Phi in *. fold Q in HV', P. lra.
Qed.

Example value_falls_met : let fair := two (1 / 2) (1 / 2) in let Rs := two 1 0 in let Rr (_ : nat) := 0 in
  exists V V', Phi 2 fair fair Rs Rr 1 1 1 V = V /\ Phi 2 fair fair Rs Rr 2 1 1 V' = V' /\ V' <= V.
Proof.
intros fair Rs Rr. assert (Rp : forall i, (i < 2)%nat -> 0 < fair i) by (intros [|i] _; simpl; lra). assert (Rq : Sum 2 fair = 1) by (simpl; field).
assert (Ri : forall y, (y < 2)%nat -> 0 < fair y < 1) by (intros [|i] _; simpl; lra).
assert (RR : forall y, (y < 2)%nat -> 0 <= Rs y <= 1) by (intros [|i] _; simpl; lra).
destruct (terminal_unique 2 fair fair Rs 1 1 1 Rp Rq Ri ltac:(lra) ltac:(lra) ltac:(lra) RR) as [V [HV _]].
destruct (terminal_unique 2 fair fair Rs 2 1 1 Rp Rq Ri ltac:(lra) ltac:(lra) ltac:(lra) RR) as [V' [HV' _]].
exists V, V'. split; [exact HV|]. split; [exact HV'|].
apply (value_falls 2 fair fair Rs Rr 1 2 1 1 V V' Rp Rq Ri ltac:(lra) ltac:(lra) ltac:(lra) HV HV').
Qed.

Section Lumped.
(* The decisions of the reference depend on correctness alone: P(stop) is a at right answers and 1 - b at wrong ones. *)
Variables (n : nat) (ref r : nat -> R) (right : nat -> bool) (a b Td g : R).
Hypothesis reference : open_chain n ref r right.
Hypothesis at_right : forall y, (y < n)%nat -> right y = true -> r y = a.
Hypothesis at_wrong : forall y, (y < n)%nat -> right y = false -> r y = 1 - b.
Hypothesis Td_pos : 0 < Td.
Hypothesis discount : 0 <= g <= 1.
Notation w := (W r (ind right) (fun _ => 0) Td g).
Notation phi Ts := (Phi n ref r (ind right) (fun _ => 0) Ts Td g).
Notation stops := (s_opt r (ind right) (fun _ => 0) Td g).
Let e := exp (1 / Td).
Let f V := exp (g * V / Td).
Let up V := a * e + (1 - a) * f V.
Let down V := 1 - b + b * f V.
Let gap V := up V / down V.
Let p := P_right n ref right.
Let z := p * a / ((1 - p) * (1 - b)).

Lemma lumped_in : 0 < a < 1 /\ 0 < b < 1 /\ 0 < p < 1.
Proof.
destruct (open_rates n ref r right reference) as [P _]. destruct reference as [_ [_ [Ri [[c [Hc Rc]] [v [Hv Rv]]]]]].
pose proof (Ri c Hc) as A. pose proof (Ri v Hv) as B. rewrite (at_right c Hc Rc) in A. rewrite (at_wrong v Hv Rv) in B. unfold p. lra.
Qed.

Lemma value_in Ts V : 0 < Ts -> phi Ts V = V -> 0 <= g * V < 1.
Proof.
intros T0 HV. destruct reference as [Rq [Rp [Ri [_ [v [Hv Rv]]]]]].
destruct (terminal_bounds n ref r (ind right) Ts Td g Rp Rq Ri T0 Td_pos discount ltac:(intros; apply ind_in)) as [Wb Vb].
pose proof (Vb V HV) as VB. split; [nra|]. apply Rnot_le_lt. intro L. assert (G1 : g * V = 1) by nra. assert (V1 : V = 1) by nra.
assert (WL : w V v < 1).
{ apply Rlt_le_trans with (soft 2 (two (r v) (1 - r v)) Td (fun _ => 1) + 0); [|rewrite soft_const by (apply two_sum || exact Td_pos); lra].
  unfold W, soft. rewrite Rplus_0_r. apply Rmult_lt_compat_l; [exact Td_pos|]. apply ln_increasing.
  - apply mass_pos; [apply two_pos, Ri, Hv | apply two_sum].
  - unfold mass, choices; simpl. unfold ind. rewrite Rv. pose proof (Ri v Hv). rewrite !Rplus_0_l, G1.
    assert (exp (0 / Td) < exp (1 / Td)) by (apply exp_increasing, Rmult_lt_compat_r; [apply Rinv_0_lt_compat, Td_pos | lra]).
    assert (0 < r v * (exp (1 / Td) - exp (0 / Td))) by (apply Rmult_lt_0_compat; lra). lra. }
assert (M : mass n ref Ts (w V) < exp (1 / Ts)).
{ replace (exp (1 / Ts)) with (Sum n (fun y => ref y * exp (1 / Ts))) by (rewrite Sum_scal_r, Rq; ring). unfold mass. apply (Sum_lt_one n _ _ v Hv).
  - apply Rmult_lt_compat_l; [apply Rp, Hv|]. apply exp_increasing, Rmult_lt_compat_r; [apply Rinv_0_lt_compat, T0 | exact WL].
  - intros y Hy. apply Rmult_le_compat_l; [apply Rlt_le, Rp, Hy|]. destruct (Wb V y Hy VB) as [_ U].
    assert (I : w V y / Ts <= 1 / Ts) by (apply Rmult_le_compat_r; [apply Rlt_le, Rinv_0_lt_compat, T0 | exact U]).
    destruct I as [I | ->]; [apply Rlt_le, exp_increasing, I | lra]. }
apply ln_increasing in M; [|apply mass_pos; assumption]. rewrite ln_exp in M. unfold Phi, soft in HV. assert (Ts * (1 / Ts) = 1) by (field; lra). nra.
Qed.

Lemma gap_in V : 0 <= g * V < 1 -> 1 < gap V < e /\ 0 < up V /\ 0 < down V /\ 1 <= f V < e.
Proof.
intros H. destruct lumped_in as [A [B _]].
assert (F : 1 <= f V < e).
{ unfold f, e. rewrite <- exp_0 at 1. split.
  - assert (I : 0 <= g * V / Td) by (apply Rmult_le_pos; [lra | apply Rlt_le, Rinv_0_lt_compat, Td_pos]).
    destruct I as [I | <-]; [apply Rlt_le, exp_increasing, I | lra].
  - apply exp_increasing, Rmult_lt_compat_r; [apply Rinv_0_lt_compat, Td_pos | lra]. }
assert (D : 1 <= down V <= f V) by (unfold down; nra). assert (U : f V < up V < e) by (unfold up; nra).
assert (GD : gap V * down V = up V) by (unfold gap; field; lra). set (k := gap V) in *. clearbody k. repeat split; try lra; nra.
Qed.

(* In odds: sampling's factor is gap^(Td/Ts), that of decisions e/gap. *)
Lemma lumped_share Ts V : 0 < Ts -> phi Ts V = V ->
  decision_share n ref r (tilt n ref Ts (w V)) (stops V) right = share_odds z (exp (Td * ln (gap V) / Ts)) (e / gap V).
Proof.
intros T0 HV. destruct lumped_in as [A [B P]]. pose proof (value_in Ts V T0 HV) as VI. destruct (gap_in V VI) as [G [U [D _]]].
destruct reference as [Rq [Rp [Ri [EC EW]]]].
assert (OC : forall q s, Sum n q = 1 -> (forall y, (y < n)%nat -> 0 < q y) -> (forall y, (y < n)%nat -> 0 < s y < 1) -> open_chain n q s right)
  by (intros q s Hq Pq Sq; split; [exact Hq|]; split; [exact Pq|]; split; [exact Sq|]; split; assumption).
assert (KEY : forall q s M kc kw sc sw, open_chain n q s right -> 0 < M -> 0 < kc -> 0 < kw -> 0 < sc -> 0 < sw ->
  (forall y, (y < n)%nat -> q y = ref y * (if right y then kc else kw) / M) -> (forall y, (y < n)%nat -> s y = if right y then sc else sw) ->
  accuracy n q s right = of_odds (p * kc * sc / ((1 - p) * kw * sw))).
{ intros q s M kc kw sc sw O M0 Kc Kw Sc Sw HQ HS. rewrite accuracy_stops by exact O.
  assert (SR : stop_right n q s right = p * kc * sc / M).
  { unfold stop_right, p, P_right, Rdiv. rewrite <- !Sum_scal_r. apply Sum_ext; intros y Hy. rewrite HQ, HS by exact Hy. unfold ind, Rdiv. destruct (right y); ring. }
  assert (SW : stop_wrong n q s right = (1 - p) * kw * sw / M).
  { replace (1 - p) with (Sum n (fun y => ref y * (1 - ind right y))).
    - unfold stop_wrong, Rdiv. rewrite <- !Sum_scal_r. apply Sum_ext; intros y Hy. rewrite HQ, HS by exact Hy. unfold ind, Rdiv. destruct (right y); ring.
    - transitivity (Sum n ref - p); [unfold p, P_right; rewrite <- Sum_minus; apply Sum_ext; intros; ring | rewrite Rq; reflexivity]. }
  rewrite SR, SW. unfold of_odds. assert (0 < p * kc * sc) by (repeat apply Rmult_lt_0_compat; lra).
  assert (0 < (1 - p) * kw * sw) by (repeat apply Rmult_lt_0_compat; lra). field. repeat split; lra. }
set (M := mass n ref Ts (w V)). assert (M0 : 0 < M) by (apply mass_pos; assumption).
assert (MY : forall y, (y < n)%nat -> mass 2 (two (r y) (1 - r y)) Td (choices (ind right) (fun _ => 0) g V y) = if right y then up V else down V).
{ intros y Hy. unfold mass, choices; simpl. unfold ind, up, down, e, f. rewrite !Rplus_0_l. destruct (right y) eqn:E.
  - rewrite (at_right y Hy E). reflexivity.
  - rewrite (at_wrong y Hy E). replace (0 / Td) with 0 by (field; lra). rewrite exp_0. ring. }
assert (WY : forall y, (y < n)%nat -> w V y = if right y then Td * ln (up V) else Td * ln (down V)).
{ intros y Hy. unfold W, soft. rewrite MY by exact Hy. destruct (right y); reflexivity. }
set (kc := exp (Td * ln (up V) / Ts)). set (kw := exp (Td * ln (down V) / Ts)). assert (Kc : 0 < kc) by apply exp_pos. assert (Kw : 0 < kw) by apply exp_pos.
assert (TQ : forall y, (y < n)%nat -> tilt n ref Ts (w V) y = ref y * (if right y then kc else kw) / M).
{ intros y Hy. unfold tilt. fold M. rewrite WY by exact Hy. unfold kc, kw. destruct (right y); reflexivity. }
assert (RQ : forall y, (y < n)%nat -> ref y = ref y * (if right y then 1 else 1) / 1) by (intros y _; destruct (right y); field).
assert (RS : forall y, (y < n)%nat -> r y = if right y then a else 1 - b).
{ intros y Hy. destruct (right y) eqn:E; [apply at_right | apply at_wrong]; assumption. }
assert (E0 : 0 < e) by apply exp_pos.
assert (SS : forall y, (y < n)%nat -> stops V y = if right y then a * e / up V else (1 - b) / down V).
{ intros y Hy. unfold s_opt, tilt. rewrite MY by exact Hy. unfold choices; simpl. rewrite (RS y Hy). unfold ind, e. destruct (right y); [reflexivity|].
  replace (0 / Td) with 0 by (field; lra). rewrite exp_0, Rmult_1_r. reflexivity. }
assert (SC : 0 < a * e / up V) by (apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat; lra | exact U]).
assert (SW : 0 < (1 - b) / down V) by (apply Rdiv_lt_0_compat; lra).
assert (PT : Sum n (tilt n ref Ts (w V)) = 1) by (apply tilt_sum; assumption).
assert (PP : forall y, (y < n)%nat -> 0 < tilt n ref Ts (w V) y) by (intros; apply tilt_pos; assumption).
assert (SI : forall y, (y < n)%nat -> 0 < stops V y < 1) by (intros y Hy; apply (s_opt_odds n); assumption).
assert (SX : exp (Td * ln (gap V) / Ts) = kc / kw).
{ unfold gap. rewrite ln_div by assumption. replace (Td * (ln (up V) - ln (down V)) / Ts) with (Td * ln (up V) / Ts + - (Td * ln (down V) / Ts)) by (field; lra).
  rewrite exp_plus, exp_Ropp. reflexivity. }
rewrite SX. unfold decision_share, sampling_part, decision_part, share_odds, sampling_odds, decision_odds.
rewrite (KEY ref r 1 1 1 a (1 - b) (OC ref r Rq Rp Ri)) by (assumption || lra).
rewrite (KEY ref (stops V) 1 1 1 (a * e / up V) ((1 - b) / down V) (OC ref _ Rq Rp SI)) by (assumption || lra).
rewrite (KEY (tilt n ref Ts (w V)) r M kc kw a (1 - b) (OC _ r PT PP Ri)) by (assumption || lra).
rewrite (KEY (tilt n ref Ts (w V)) (stops V) M kc kw (a * e / up V) ((1 - b) / down V) (OC _ _ PT PP SI)) by (assumption || lra).
replace (p * 1 * a / ((1 - p) * 1 * (1 - b))) with z by (unfold z; field; lra).
replace (p * 1 * (a * e / up V) / ((1 - p) * 1 * ((1 - b) / down V))) with (z * (e / gap V)) by (unfold z, gap; field; repeat split; lra).
replace (p * kc * a / ((1 - p) * kw * (1 - b))) with (z * (kc / kw)) by (unfold z; field; repeat split; lra).
replace (p * kc * (a * e / up V) / ((1 - p) * kw * ((1 - b) / down V))) with (z * (kc / kw) * (e / gap V)) by (unfold z, gap; field; repeat split; lra).
replace (z * (e / gap V) * (kc / kw)) with (z * (kc / kw) * (e / gap V)) by ring. reflexivity.
Qed.

(* E3-frozen: the share strictly rises with the weight of sampling without a future, and wherever a* + b* is at most 1 at the optimum. *)
Theorem share_rises T T' V V' : 0 < T < T' -> phi T V = V -> phi T' V' = V' ->
  g = 0 \/ (forall c v, (c < n)%nat -> (v < n)%nat -> right c = true -> right v = false -> stops V c + (1 - stops V v) <= 1) ->
  decision_share n ref r (tilt n ref T (w V)) (stops V) right < decision_share n ref r (tilt n ref T' (w V')) (stops V') right.
Proof.
intros TT HV HV' C. rewrite !lumped_share by (assumption || lra). destruct lumped_in as [A [B P]].
pose proof (value_in T V ltac:(lra) HV) as VI. pose proof (value_in T' V' ltac:(lra) HV') as VI'.
destruct (gap_in V VI) as [G [U [D F]]]. destruct (gap_in V' VI') as [G' [U' [D' F']]].
assert (VV : V' <= V).
{ destruct reference as [Rq [Rp [Ri _]]]. apply (value_falls n ref r (ind right) (fun _ => 0) T T' Td g); try assumption; lra. }
assert (FF : f V' <= f V).
{ unfold f. assert (I : g * V' / Td <= g * V / Td) by (apply Rmult_le_compat_r; [apply Rlt_le, Rinv_0_lt_compat, Td_pos | nra]).
  destruct I as [I | ->]; [apply Rlt_le, exp_increasing, I | lra]. }
assert (GG : gap V' <= gap V).
{ assert (H : up V' * down V <= up V * down V').
  { destruct C as [C|C].
    - assert (X : f V' = f V) by (unfold f; rewrite C, !Rmult_0_l; reflexivity). unfold up, down. rewrite X. lra.
    - destruct reference as [Rq [Rp [Ri [[c [Hc Rc]] [v [Hv Rv]]]]]]. pose proof (C c v Hc Hv Rc Rv) as K.
      destruct (s_opt_odds n r (ind right) (fun _ => 0) Td g Ri Td_pos V c Hc) as [Sc Oc].
      destruct (s_opt_odds n r (ind right) (fun _ => 0) Td g Ri Td_pos V v Hv) as [Sv Ov].
      set (sc := stops V c) in *. set (sv := stops V v) in *. clearbody sc sv.
      rewrite (at_right c Hc Rc) in Oc. rewrite (at_wrong v Hv Rv) in Ov. unfold ind in Oc, Ov. rewrite Rc in Oc. rewrite Rv in Ov.
      assert (Ec : exp ((1 - 0 - g * V) / Td) = e / f V).
      { unfold e, f. replace ((1 - 0 - g * V) / Td) with (1 / Td + - (g * V / Td)) by (field; lra). rewrite exp_plus, exp_Ropp. reflexivity. }
      assert (Ev : exp ((0 - 0 - g * V) / Td) = / f V).
      { unfold f. rewrite <- exp_Ropp. f_equal. field. lra. }
      rewrite Ec in Oc. rewrite Ev in Ov.
      assert (L : sc / (1 - sc) <= sv / (1 - sv)).
      { apply Rmult_le_reg_r with ((1 - sc) * (1 - sv)); [apply Rmult_lt_0_compat; lra|].
        replace (sc / (1 - sc) * ((1 - sc) * (1 - sv))) with (sc * (1 - sv)) by (field; lra).
        replace (sv / (1 - sv) * ((1 - sc) * (1 - sv))) with (sv * (1 - sc)) by (field; lra). lra. }
      rewrite Oc, Ov in L.
      assert (L' : a * b * e <= (1 - a) * (1 - b)).
      { apply Rmult_le_reg_r with (/ ((1 - a) * b * f V)); [apply Rinv_0_lt_compat; repeat apply Rmult_lt_0_compat; lra|].
        replace (a * b * e * / ((1 - a) * b * f V)) with (a / (1 - a) * (e / f V)) by (field; repeat split; lra).
        replace ((1 - a) * (1 - b) * / ((1 - a) * b * f V)) with ((1 - b) / (1 - (1 - b)) * / f V) by (field; repeat split; lra). exact L. }
      unfold up, down. assert (0 <= (f V - f V') * ((1 - a) * (1 - b) - a * b * e)) by (apply Rmult_le_pos; lra). lra. }
  unfold gap. apply Rmult_le_reg_r with (down V * down V'); [apply Rmult_lt_0_compat; assumption|].
  replace (up V' / down V' * (down V * down V')) with (up V' * down V) by (field; lra).
  replace (up V / down V * (down V * down V')) with (up V * down V') by (field; lra). exact H. }
assert (Z0 : 0 < z) by (unfold z; apply Rdiv_lt_0_compat; apply Rmult_lt_0_compat; lra).
assert (LG : 0 < ln (gap V') <= ln (gap V)).
{ split; [rewrite <- ln_1; apply ln_increasing; lra | apply Rcomplements.ln_le; lra]. }
assert (S1 : forall t v, 0 < t -> 0 < ln (gap v) -> 1 < exp (Td * ln (gap v) / t)).
{ intros t v Ht Hv. rewrite <- exp_0 at 1. apply exp_increasing. apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat; assumption | exact Ht]. }
assert (SS : exp (Td * ln (gap V') / T') < exp (Td * ln (gap V) / T)).
{ apply exp_increasing. unfold Rdiv. assert (I : / T' < / T) by (apply Rinv_lt_contravar; [apply Rmult_lt_0_compat; lra | lra]).
  assert (0 < / T') by (apply Rinv_0_lt_compat; lra). assert (0 < Td * ln (gap V') <= Td * ln (gap V)) by nra. nra. }
assert (DE : forall v, 0 < gap v < e -> 1 < e / gap v).
{ intros v H. apply Rmult_lt_reg_r with (gap v); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra. }
pose proof (S1 T' V' ltac:(lra) ltac:(lra)) as ST'.
apply Rlt_le_trans with (share_odds z (exp (Td * ln (gap V') / T')) (e / gap V)).
- apply share_falls; [exact Z0 | lra | apply DE; lra].
- destruct GG as [GG | ->]; [|lra]. apply Rlt_le, share_rises_in_decisions; [exact Z0 | exact ST' | split; [apply DE; lra|]].
  unfold Rdiv. apply Rmult_lt_compat_l; [apply exp_pos|]. apply Rinv_lt_contravar; [apply Rmult_lt_0_compat; lra | exact GG].
Qed.
End Lumped.

(* The claim of the package is the instance with two answers. *)
Corollary E3_frozen_minimal p a b Td g T T' V V' : 0 < p < 1 -> 0 < a < 1 -> 0 < b < 1 -> 0 < Td -> 0 <= g <= 1 -> 0 < T < T' ->
  let ref := two p (1 - p) in let r := two a (1 - b) in let right := Nat.eqb 0 in
  let pi t v := tilt 2 ref t (W r (ind right) (fun _ => 0) Td g v) in let s v := s_opt r (ind right) (fun _ => 0) Td g v in
  Phi 2 ref r (ind right) (fun _ => 0) T Td g V = V -> Phi 2 ref r (ind right) (fun _ => 0) T' Td g V' = V' ->
  g = 0 \/ s V 0%nat + (1 - s V 1%nat) <= 1 ->
  decision_share 2 ref r (pi T V) (s V) right < decision_share 2 ref r (pi T' V') (s V') right.
Proof.
intros Hp Ha Hb HT Hg TT ref r right pi s HV HV' C.
apply (share_rises 2 ref r right a b Td g (two_right_open p a b Hp Ha Hb)); try assumption.
- intros [|[|y]] Hy E; [reflexivity | discriminate | lia].
- intros [|[|y]] Hy E; [discriminate | reflexivity | lia].
- destruct C as [C|C]; [left; exact C | right]. intros [|[|c]] [|[|v]] Hc Hv E F; try discriminate; try lia. exact C.
Qed.

(* A reference that decides badly, a = b = 1/10, still has a* + b* <= 1 at its optimum, at every discount. *)
Lemma bad_reference g : 0 <= g <= 1 -> let ref := two (1 / 2) (1 - 1 / 2) in let r := two (1 / 10) (1 - 1 / 10) in
  let s := s_opt r (ind (Nat.eqb 0)) (fun _ => 0) 1 g in exists V V', Phi 2 ref r (ind (Nat.eqb 0)) (fun _ => 0) 1 1 g V = V
  /\ Phi 2 ref r (ind (Nat.eqb 0)) (fun _ => 0) 2 1 g V' = V' /\ s V 0%nat + (1 - s V 1%nat) <= 1.
Proof.
intros G ref r s. assert (Rp : forall i, (i < 2)%nat -> 0 < ref i) by (intros [|i] _; simpl; lra). assert (Rq : Sum 2 ref = 1) by (simpl; field).
assert (Ri : forall y, (y < 2)%nat -> 0 < r y < 1) by (intros [|i] _; simpl; lra).
assert (RR : forall y, (y < 2)%nat -> 0 <= ind (Nat.eqb 0) y <= 1) by (intros; apply ind_in).
destruct (terminal_unique 2 ref r (ind (Nat.eqb 0)) 1 1 g Rp Rq Ri ltac:(lra) ltac:(lra) G RR) as [V [HV _]].
destruct (terminal_unique 2 ref r (ind (Nat.eqb 0)) 2 1 g Rp Rq Ri ltac:(lra) ltac:(lra) G RR) as [V' [HV' _]].
exists V, V'. split; [exact HV|]. split; [exact HV'|].
destruct (terminal_bounds 2 ref r (ind (Nat.eqb 0)) 1 1 g Rp Rq Ri ltac:(lra) ltac:(lra) G RR) as [_ B]. pose proof (B V HV) as VB.
assert (GV : 0 <= g * V <= 1) by nra.
assert (E : forall x, x <= 1 -> exp x <= 3) by (intros x [L | ->]; pose proof exp_le_3; [pose proof (exp_increasing x 1 L); lra | lra]).
destruct (s_opt_odds 2 r (ind (Nat.eqb 0)) (fun _ => 0) 1 g Ri ltac:(lra) V 0 ltac:(lia)) as [S0 O0].
destruct (s_opt_odds 2 r (ind (Nat.eqb 0)) (fun _ => 0) 1 g Ri ltac:(lra) V 1 ltac:(lia)) as [S1 O1].
fold s in S0, O0, S1, O1. unfold ind in O0, O1; simpl in O0, O1.
set (x := s V 0%nat) in *. set (y := s V 1%nat) in *. clearbody x y.
assert (X : x <= 1 / 4).
{ pose proof (E ((1 - 0 - g * V) / 1) ltac:(lra)) as E0. assert (x / (1 - x) <= 1 / 3) by lra.
  assert (x = x / (1 - x) * (1 - x)) by (field; lra). nra. }
assert (Y : 3 / 4 <= y).
{ assert (E1 : exp ((0 - 0 - g * V) / 1) * exp (g * V) = 1) by (rewrite <- exp_plus; rewrite <- exp_0 at 2; f_equal; field).
  pose proof (E (g * V) ltac:(lra)). pose proof (exp_pos (g * V)). set (k := exp ((0 - 0 - g * V) / 1)) in *. set (h := exp (g * V)) in *. clearbody k h.
  assert (1 / 3 <= k) by nra. assert (3 <= y / (1 - y)) by lra. assert (y = y / (1 - y) * (1 - y)) by (field; lra). nra. }
lra.
Qed.

Example share_rises_met g : 0 <= g <= 1 -> let ref := two (1 / 2) (1 - 1 / 2) in let r := two (1 / 10) (1 - 1 / 10) in let right := Nat.eqb 0 in
  let pi t v := tilt 2 ref t (W r (ind right) (fun _ => 0) 1 g v) in let s v := s_opt r (ind right) (fun _ => 0) 1 g v in exists V V',
  Phi 2 ref r (ind right) (fun _ => 0) 1 1 g V = V /\ Phi 2 ref r (ind right) (fun _ => 0) 2 1 g V' = V'
  /\ decision_share 2 ref r (pi 1 V) (s V) right < decision_share 2 ref r (pi 2 V') (s V') right.
Proof.
intros G ref r right pi s. destruct (bad_reference g G) as [V [V' [HV [HV' S]]]]. exists V, V'. split; [exact HV|]. split; [exact HV'|].
apply (share_rises 2 ref r right (1 / 10) (1 / 10) 1 g (two_right_open (1 / 2) (1 / 10) (1 / 10) ltac:(lra) ltac:(lra) ltac:(lra)));
  try assumption; try lra.
- intros [|[|y]] Hy E; [reflexivity | discriminate | lia].
- intros [|[|y]] Hy E; [discriminate | reflexivity | lia].
- right. intros [|[|c]] [|[|v]] Hc Hv E F; try discriminate; try lia. exact S.
Qed.

Example E3_frozen_minimal_met g : 0 <= g <= 1 -> let ref := two (1 / 2) (1 - 1 / 2) in let r := two (1 / 10) (1 - 1 / 10) in
  let right := Nat.eqb 0 in let pi t v := tilt 2 ref t (W r (ind right) (fun _ => 0) 1 g v) in
  let s v := s_opt r (ind right) (fun _ => 0) 1 g v in exists V V',
  Phi 2 ref r (ind right) (fun _ => 0) 1 1 g V = V /\ Phi 2 ref r (ind right) (fun _ => 0) 2 1 g V' = V'
  /\ decision_share 2 ref r (pi 1 V) (s V) right < decision_share 2 ref r (pi 2 V') (s V') right.
Proof.
intros G ref r right pi s. destruct (bad_reference g G) as [V [V' [HV [HV' S]]]]. exists V, V'. split; [exact HV|]. split; [exact HV'|].
apply (E3_frozen_minimal (1 / 2) (1 / 10) (1 / 10) 1 g 1 2 V V' ltac:(lra) ltac:(lra) ltac:(lra) ltac:(lra) G ltac:(lra) HV HV' (or_intror S)).
Qed.
