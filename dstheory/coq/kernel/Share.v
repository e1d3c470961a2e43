(* The decisions' share of the accuracy gain tends to 1 as the weight of sampling grows, in any chain. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Chain Accuracy Optimum.
Open Scope R_scope.

(* Shapley parts of the gain in accuracy from (pi, s) to (pi', s'), for the players sampling and decisions. *)
Definition sampling_part n pi s pi' s' right :=
  ((accuracy n pi' s right - accuracy n pi s right) + (accuracy n pi' s' right - accuracy n pi s' right)) / 2.
Definition decision_part n pi s pi' s' right :=
  ((accuracy n pi s' right - accuracy n pi s right) + (accuracy n pi' s' right - accuracy n pi' s right)) / 2.
Definition decision_share n pi s pi' s' right :=
  decision_part n pi s pi' s' right / (sampling_part n pi s pi' s' right + decision_part n pi s pi' s' right).

Theorem parts_sum n pi s pi' s' right :
  sampling_part n pi s pi' s' right + decision_part n pi s pi' s' right = accuracy n pi' s' right - accuracy n pi s right.
Proof. unfold sampling_part, decision_part. field. Qed.

(* Probabilities that agree up to a factor 1 + d have accuracies that agree up to d, whatever the decisions. *)
Lemma accuracy_near n pi pi' s right d : open_chain n pi s right -> open_chain n pi' s right -> 0 <= d <= 1 / 2 ->
  (forall y, (y < n)%nat -> pi y * (1 - d) <= pi' y <= pi y * (1 + d)) ->
  - d <= accuracy n pi' s right - accuracy n pi s right <= d.
Proof.
intros O O' D H. rewrite !accuracy_stops by assumption.
destruct (open_rates n pi s right O) as [_ [[C _] [W _]]]. destruct (open_rates n pi' s right O') as [_ [[C' _] [W' _]]].
destruct O as [_ [_ [S _]]].
assert (K : forall v, (forall y, (y < n)%nat -> 0 <= v y) ->
  Sum n (fun y => pi y * v y) * (1 - d) <= Sum n (fun y => pi' y * v y) <= Sum n (fun y => pi y * v y) * (1 + d)).
{ intros v P. rewrite <- !Sum_scal_r. split; apply Sum_le; intros y Hy; pose proof (H y Hy); pose proof (P y Hy); nra. }
assert (A : forall p, stop_right n p s right = Sum n (fun y => p y * (ind right y * s y))) by (intro; apply Sum_ext; intros; ring).
assert (B : forall p, stop_wrong n p s right = Sum n (fun y => p y * ((1 - ind right y) * s y))) by (intro; apply Sum_ext; intros; ring).
pose proof (K (fun y => ind right y * s y)) as KC. pose proof (K (fun y => (1 - ind right y) * s y)) as KW.
rewrite <- !A in KC. rewrite <- !B in KW.
assert (KC' := KC ltac:(intros y Hy; pose proof (S y Hy); pose proof (ind_in right y); apply Rmult_le_pos; lra)).
assert (KW' := KW ltac:(intros y Hy; pose proof (S y Hy); pose proof (ind_in right y); apply Rmult_le_pos; lra)).
clear KC KW A B K. set (c := stop_right n pi s right) in *. set (w := stop_wrong n pi s right) in *.
set (c' := stop_right n pi' s right) in *. set (w' := stop_wrong n pi' s right) in *. clearbody c w c' w'. clear H S.
assert (E : c' / (c' + w') - c / (c + w) = (c' * w - c * w') / ((c' + w') * (c + w))) by (field; lra). rewrite E.
assert (M : 0 < (c' + w') * (c + w)) by (apply Rmult_lt_0_compat; lra).
assert (CW : 0 < c * w) by (apply Rmult_lt_0_compat; lra).
assert (L : 2 * (c * w) <= (c' + w') * (c + w)).
{ assert (c' + w' >= (c + w) / 2) by nra. assert ((c + w) ^ 2 >= 4 * (c * w)) by (pose proof (pow2_ge_0 (c - w)); lra). nra. }
assert (Y1 : 0 <= (c * (1 + d) - c') * w) by (apply Rmult_le_pos; lra).
assert (Y2 : 0 <= (w' - w * (1 - d)) * c) by (apply Rmult_le_pos; lra).
assert (Y3 : 0 <= (c' - c * (1 - d)) * w) by (apply Rmult_le_pos; lra).
assert (Y4 : 0 <= (w * (1 + d) - w') * c) by (apply Rmult_le_pos; lra).
assert (U1 : c' * w - c * w' <= 2 * d * (c * w)) by lra. assert (U2 : c * w' - c' * w <= 2 * d * (c * w)) by lra.
assert (X : (c' * w - c * w') / ((c' + w') * (c + w)) * ((c' + w') * (c + w)) = c' * w - c * w') by (field; lra).
set (q := (c' * w - c * w') / ((c' + w') * (c + w))) in *. clearbody q. split; nra.
Qed.

Lemma odds_le s t : 0 < s < 1 -> 0 < t < 1 -> s / (1 - s) <= t / (1 - t) -> s <= t.
Proof.
intros S T H. assert (A : s / (1 - s) * (1 - s) = s) by (field; lra). assert (B : t / (1 - t) * (1 - t) = t) by (field; lra).
set (u := s / (1 - s)) in *. set (v := t / (1 - t)) in *. clearbody u v.
assert (P : 0 < (1 - s) * (1 - t)) by (apply Rmult_lt_0_compat; lra).
assert (I : s * (1 - t) = u * ((1 - s) * (1 - t))) by (transitivity (u * (1 - s) * (1 - t)); [rewrite A; reflexivity | ring]).
assert (J : t * (1 - s) = v * ((1 - s) * (1 - t))) by (transitivity (v * (1 - t) * (1 - s)); [rewrite B; reflexivity | ring]).
assert (u * ((1 - s) * (1 - t)) <= v * ((1 - s) * (1 - t))) by (apply Rmult_le_compat_r; lra). lra.
Qed.

Lemma accuracy_le n pi s s' right : open_chain n pi s right -> open_chain n pi s' right ->
  (forall y, (y < n)%nat -> right y = true -> s y <= s' y) -> (forall y, (y < n)%nat -> right y = false -> s' y <= s y) ->
  accuracy n pi s right <= accuracy n pi s' right.
Proof.
intros O O' R W. rewrite !accuracy_stops by assumption.
destruct (open_rates n pi s right O) as [_ [[C _] [V _]]]. destruct (open_rates n pi s' right O') as [_ [[C' _] [V' _]]].
destruct O as [_ [P _]].
assert (A : stop_right n pi s right <= stop_right n pi s' right).
{ apply Sum_le. intros y Hy. unfold ind. pose proof (P y Hy). destruct (right y) eqn:E; [pose proof (R y Hy E); nra | lra]. }
assert (B : stop_wrong n pi s' right <= stop_wrong n pi s right).
{ apply Sum_le. intros y Hy. unfold ind. pose proof (P y Hy). destruct (right y) eqn:E; [lra | pose proof (W y Hy E); nra]. }
set (c := stop_right n pi s right) in *. set (w := stop_wrong n pi s right) in *.
set (c' := stop_right n pi s' right) in *. set (w' := stop_wrong n pi s' right) in *. clearbody c w c' w'.
assert (E : c' / (c' + w') - c / (c + w) = (c' * w - c * w') / ((c' + w') * (c + w))) by (field; lra).
assert (0 <= (c' * w - c * w') / ((c' + w') * (c + w))).
{ apply Rmult_le_pos; [nra | apply Rlt_le, Rinv_0_lt_compat, Rmult_lt_0_compat; lra]. }
lra.
Qed.

(* E3, any number of answers and any set of right ones: with terminal accuracy reward there is a gain G > 0 that depends on reference,
   discount and T_d alone, such that the decisions' share at the optimum is within 4/(G T_s) of 1, T_s = beta w_s. *)
Theorem share_tends_to_one n ref r right Td g : open_chain n ref r right -> 0 < Td -> 0 <= g < 1 ->
  exists G, 0 < G /\ forall Ts V, 4 <= Ts -> 4 <= G * Ts -> Phi n ref r (ind right) (fun _ => 0) Ts Td g V = V ->
  let pi' := tilt n ref Ts (W r (ind right) (fun _ => 0) Td g V) in let s' := s_opt r (ind right) (fun _ => 0) Td g V in
  0 < accuracy n pi' s' right - accuracy n ref r right
  /\ - (4 / (G * Ts)) <= 1 - decision_share n ref r pi' s' right <= 4 / (G * Ts).
Proof.
intros O Td0 G. assert (O2 := O). destruct O2 as [Rq [Rp [Ri [[c [Hc Rc]] [w [Hw Rw]]]]]].
set (e := exp ((1 - g) / Td)).
assert (E1 : 1 < e).
{ unfold e. rewrite <- exp_0 at 1. apply exp_increasing. apply Rdiv_lt_0_compat; lra. }
set (low := fun y => if right y then r y * e / (r y * e + (1 - r y)) else r y).
assert (LI : forall y, (y < n)%nat -> 0 < low y < 1 /\ low y / (1 - low y) = r y / (1 - r y) * (if right y then e else 1)
  /\ (right y = true -> r y < low y)).
{ intros y Hy. pose proof (Ri y Hy) as R. unfold low. destruct (right y).
  - assert (A : 0 < r y * e) by (apply Rmult_lt_0_compat; lra).
    assert (D : 0 < r y * e + (1 - r y)) by lra.
    assert (M : 1 - r y * e / (r y * e + (1 - r y)) = (1 - r y) / (r y * e + (1 - r y))) by (field; lra).
    assert (N : 0 < (1 - r y) / (r y * e + (1 - r y))) by (apply Rdiv_lt_0_compat; lra).
    assert (N' : 0 < r y * e / (r y * e + (1 - r y))) by (apply Rdiv_lt_0_compat; lra).
    split; [lra|]. split; [rewrite M; field; lra|].
    intros _. apply Rmult_lt_reg_r with (r y * e + (1 - r y)); [exact D|].
    replace (r y * e / (r y * e + (1 - r y)) * (r y * e + (1 - r y))) with (r y * e) by (field; lra).
    assert (0 < r y * (1 - r y) * (e - 1)) by (repeat apply Rmult_lt_0_compat; lra). lra.
  - split; [lra|]. split; [ring|discriminate]. }
assert (OL : open_chain n ref low right).
{ split; [exact Rq|]. split; [exact Rp|]. split; [intros y Hy; apply LI, Hy|]. split; [exists c; auto | exists w; auto]. }
exists (accuracy n ref low right - accuracy n ref r right). set (d0 := _ - _).
assert (D0 : 0 < d0).
{ unfold d0. assert (accuracy n ref r right < accuracy n ref low right); [|lra].
  assert (stop_right n ref r right < stop_right n ref low right).
  { apply (Sum_lt_one n _ _ c Hc).
    - unfold ind; rewrite Rc. destruct (LI c Hc) as [_ [_ X]]. pose proof (X Rc). pose proof (Rp c Hc). nra.
    - intros y Hy. unfold ind. destruct (right y) eqn:E; [|lra]. destruct (LI y Hy) as [_ [_ X]]. pose proof (X E). pose proof (Rp y Hy). nra. }
  assert (stop_wrong n ref low right = stop_wrong n ref r right).
  { apply Sum_ext. intros y Hy. unfold low, ind. destruct (right y); ring. }
  apply accuracy_increasing; try assumption; [lra | lra | left; assumption]. }
split; [exact D0|]. intros Ts V T4 TG HV pi' s'.
destruct (terminal_bounds n ref r (ind right) Ts Td g Rp Rq Ri ltac:(lra) Td0 G ltac:(intros; apply ind_in)) as [Wb Vb].
pose proof (Vb V HV) as VB.
assert (SO : forall y, (y < n)%nat -> 0 < s' y < 1 /\ s' y / (1 - s' y) = r y / (1 - r y) * exp ((ind right y - 0 - g * V) / Td)).
{ intros y Hy. apply (s_opt_odds n); assumption. }
assert (O1 : open_chain n ref s' right).
{ split; [exact Rq|]. split; [exact Rp|]. split; [intros y Hy; apply SO, Hy|]. split; [exists c; auto | exists w; auto]. }
assert (PS : Sum n pi' = 1) by (apply tilt_sum; assumption).
assert (PP : forall y, (y < n)%nat -> 0 < pi' y) by (intros; apply tilt_pos; assumption).
assert (OP : open_chain n pi' r right).
{ split; [exact PS|]. split; [exact PP|]. split; [exact Ri|]. split; [exists c; auto | exists w; auto]. }
assert (OPS : open_chain n pi' s' right).
{ split; [exact PS|]. split; [exact PP|]. split; [intros y Hy; apply SO, Hy|]. split; [exists c; auto | exists w; auto]. }
assert (GAIN : accuracy n ref low right <= accuracy n ref s' right).
{ apply accuracy_le; try assumption; intros y Hy Ry; destruct (LI y Hy) as [L1 [L2 _]]; destruct (SO y Hy) as [S1 S2];
    apply odds_le; try assumption; rewrite L2, S2, Ry; unfold ind; rewrite Ry; pose proof (Ri y Hy);
    (apply Rmult_le_compat_l; [apply Rlt_le, Rdiv_lt_0_compat; lra|]).
  - unfold e. assert (I : (1 - g) / Td <= (1 - 0 - g * V) / Td).
    { unfold Rdiv. apply Rmult_le_compat_r; [apply Rlt_le, Rinv_0_lt_compat, Td0 | nra]. }
    destruct I as [I | ->]; [apply Rlt_le, exp_increasing, I | lra].
  - rewrite <- exp_0. assert (I : (0 - 0 - g * V) / Td <= 0).
    { replace ((0 - 0 - g * V) / Td) with (- (g * V / Td)) by (field; lra).
      assert (0 <= g * V / Td) by (apply Rmult_le_pos; [nra | apply Rlt_le, Rinv_0_lt_compat, Td0]). lra. }
    destruct I as [I | ->]; [apply Rlt_le, exp_increasing, I | lra]. }
assert (I2 : 0 < 2 / Ts) by (apply Rdiv_lt_0_compat; lra).
assert (X2 : 2 / Ts * Ts = 2) by (field; lra).
assert (H2 : 2 / Ts <= 1 / 2) by nra.
assert (NEAR : forall y, (y < n)%nat -> ref y * (1 - 2 / Ts) <= pi' y <= ref y * (1 + 2 / Ts)).
{ intros y Hy. apply pinned; try assumption; try lra. intros i Hi. apply Wb; assumption. }
pose proof (accuracy_near n ref pi' r right (2 / Ts) O OP ltac:(lra) NEAR) as N0.
pose proof (accuracy_near n ref pi' s' right (2 / Ts) O1 OPS ltac:(lra) NEAR) as N1.
assert (HALF : 2 / Ts <= d0 / 2) by nra.
assert (TOT : d0 / 2 <= accuracy n pi' s' right - accuracy n ref r right) by (unfold d0 in *; lra).
split; [lra|].
pose proof (parts_sum n ref r pi' s' right) as PSUM. unfold decision_share. rewrite PSUM.
assert (SP : - (2 / Ts) <= sampling_part n ref r pi' s' right <= 2 / Ts) by (unfold sampling_part; lra).
assert (X4 : 4 / (d0 * Ts) * d0 = 2 * (2 / Ts)) by (field; lra).
assert (P4 : 0 < 4 / (d0 * Ts)) by (apply Rdiv_lt_0_compat; [lra | apply Rmult_lt_0_compat; lra]).
set (tot := accuracy n pi' s' right - accuracy n ref r right) in *.
set (a := sampling_part n ref r pi' s' right) in *. set (b := decision_part n ref r pi' s' right) in *.
set (x := 2 / Ts) in *. set (k := 4 / (d0 * Ts)) in *.
assert (Q : 1 - b / tot = a / tot) by (replace b with (tot - a) by lra; field; lra). rewrite Q.
assert (Y : a / tot * tot = a) by (field; lra). set (z := a / tot) in *.
clearbody z k x a b tot. clear - TOT SP X4 P4 D0 Y. clearbody d0. split; nra.
Qed.

(* The claim of the package is the instance with two answers. *)
Corollary E3_minimal p a b Td g : 0 < p < 1 -> 0 < a < 1 -> 0 < b < 1 -> 0 < Td -> 0 <= g < 1 ->
  let ref := two p (1 - p) in let r := two a (1 - b) in let right := Nat.eqb 0 in
  exists G, 0 < G /\ forall Ts V, 4 <= Ts -> 4 <= G * Ts -> Phi 2 ref r (ind right) (fun _ => 0) Ts Td g V = V ->
  1 - decision_share 2 ref r (tilt 2 ref Ts (W r (ind right) (fun _ => 0) Td g V)) (s_opt r (ind right) (fun _ => 0) Td g V) right
  <= 4 / (G * Ts).
Proof.
intros Hp Ha Hb HT Hg ref r right.
destruct (share_tends_to_one 2 ref r right Td g (two_right_open p a b Hp Ha Hb) HT Hg) as [G [P H]].
exists G. split; [exact P|]. intros Ts V T4 TG HV. apply (H Ts V T4 TG HV).
Qed.
