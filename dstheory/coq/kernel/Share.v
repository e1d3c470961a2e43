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

(* The probability whose odds are k times those of x. *)
Definition odds_times k x := x * k / (x * k + (1 - x)).

Lemma odds_times_in k x : 0 < k -> 0 < x < 1 ->
  0 < odds_times k x < 1 /\ odds_times k x / (1 - odds_times k x) = x / (1 - x) * k.
Proof.
intros K X. unfold odds_times. assert (A : 0 < x * k) by (apply Rmult_lt_0_compat; lra).
assert (M : 1 - x * k / (x * k + (1 - x)) = (1 - x) / (x * k + (1 - x))) by (field; lra).
assert (0 < (1 - x) / (x * k + (1 - x))) by (apply Rdiv_lt_0_compat; lra).
assert (0 < x * k / (x * k + (1 - x))) by (apply Rdiv_lt_0_compat; lra).
split; [lra|]. rewrite M. field. lra.
Qed.

Lemma odds_times_more k x : 1 < k -> 0 < x < 1 -> x < odds_times k x.
Proof.
intros K X. unfold odds_times. assert (0 < x * k) by nra. apply Rmult_lt_reg_r with (x * k + (1 - x)); [lra|].
unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. assert (0 < x * (1 - x) * (k - 1)) by (repeat apply Rmult_lt_0_compat; lra). lra.
Qed.

Lemma odds_times_less k x : 0 < k < 1 -> 0 < x < 1 -> odds_times k x < x.
Proof.
intros K X. unfold odds_times. assert (0 < x * k) by nra. apply Rmult_lt_reg_r with (x * k + (1 - x)); [lra|].
unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. assert (0 < x * (1 - x) * (1 - k)) by (repeat apply Rmult_lt_0_compat; lra). lra.
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
Theorem share_tends_to_one n ref r right Td g : open_chain n ref r right -> 0 < Td -> 0 <= g <= 1 ->
  exists G, 0 < G /\ forall Ts V, 4 <= Ts -> 4 <= G * Ts -> Phi n ref r (ind right) (fun _ => 0) Ts Td g V = V ->
  let pi' := tilt n ref Ts (W r (ind right) (fun _ => 0) Td g V) in let s' := s_opt r (ind right) (fun _ => 0) Td g V in
  0 < accuracy n pi' s' right - accuracy n ref r right
  /\ - (4 / (G * Ts)) <= 1 - decision_share n ref r pi' s' right <= 4 / (G * Ts).
Proof.
intros O Td0 G. assert (O2 := O). destruct O2 as [Rq [Rp [Ri [[c [Hc Rc]] [w [Hw Rw]]]]]].
set (e := exp (/ (2 * Td))).
assert (E1 : 1 < e).
{ unfold e. rewrite <- exp_0 at 1. apply exp_increasing. apply Rinv_0_lt_compat. lra. }
assert (E2 : 0 < / e < 1) by (split; [apply Rinv_0_lt_compat; lra | rewrite <- Rinv_1; apply Rinv_lt_contravar; lra]).
set (up := fun y => if right y then odds_times e (r y) else r y). set (down := fun y => if right y then r y else odds_times (/ e) (r y)).
assert (OU : open_chain n ref up right).
{ split; [exact Rq|]. split; [exact Rp|]. split; [|split; [exists c; auto | exists w; auto]].
  intros y Hy. unfold up. destruct (right y); [apply odds_times_in; [lra | apply Ri, Hy] | apply Ri, Hy]. }
assert (OD : open_chain n ref down right).
{ split; [exact Rq|]. split; [exact Rp|]. split; [|split; [exists c; auto | exists w; auto]].
  intros y Hy. unfold down. destruct (right y); [apply Ri, Hy | apply odds_times_in; [lra | apply Ri, Hy]]. }
exists (Rmin (accuracy n ref up right - accuracy n ref r right) (accuracy n ref down right - accuracy n ref r right)). set (d0 := Rmin _ _).
assert (D0 : 0 < d0).
{ unfold d0. apply Rmin_glb_lt.
  - assert (accuracy n ref r right < accuracy n ref up right); [|lra].
    assert (stop_right n ref r right < stop_right n ref up right).
    { assert (X : forall y, (y < n)%nat -> right y = true -> r y < up y).
      { intros y Hy E. unfold up. rewrite E. apply odds_times_more; [exact E1 | apply Ri, Hy]. }
      apply (Sum_lt_one n _ _ c Hc).
      - unfold ind; rewrite Rc. pose proof (X c Hc Rc). pose proof (Rp c Hc). nra.
      - intros y Hy. unfold ind. destruct (right y) eqn:E; [|lra]. pose proof (X y Hy E). pose proof (Rp y Hy). nra. }
    assert (stop_wrong n ref up right = stop_wrong n ref r right).
    { apply Sum_ext. intros y Hy. unfold up, ind. destruct (right y); ring. }
    apply accuracy_increasing; try assumption; [lra | lra | left; assumption].
  - assert (accuracy n ref r right < accuracy n ref down right); [|lra].
    assert (stop_wrong n ref down right < stop_wrong n ref r right).
    { assert (X : forall y, (y < n)%nat -> right y = false -> down y < r y).
      { intros y Hy E. unfold down. rewrite E. apply odds_times_less; [exact E2 | apply Ri, Hy]. }
      apply (Sum_lt_one n _ _ w Hw).
      - unfold ind; rewrite Rw. pose proof (X w Hw Rw). pose proof (Rp w Hw). nra.
      - intros y Hy. unfold ind. destruct (right y) eqn:E; [lra|]. pose proof (X y Hy E). pose proof (Rp y Hy). nra. }
    assert (stop_right n ref down right = stop_right n ref r right).
    { apply Sum_ext. intros y Hy. unfold down, ind. destruct (right y); ring. }
    apply accuracy_increasing; try assumption; [lra | lra | right; assumption]. }
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
assert (M : forall x u, x <= u -> exp (x / Td) <= exp (u / Td)).
{ intros x u L. assert (I : x / Td <= u / Td) by (apply Rmult_le_compat_r; [apply Rlt_le, Rinv_0_lt_compat, Td0 | exact L]).
  destruct I as [I | ->]; [apply Rlt_le, exp_increasing, I | lra]. }
assert (OE : forall y, (y < n)%nat -> 0 < r y / (1 - r y)) by (intros y Hy; pose proof (Ri y Hy); apply Rdiv_lt_0_compat; lra).
assert (EH : exp (1 / 2 / Td) = e) by (unfold e; f_equal; field; lra).
assert (EM : exp (- (1 / 2) / Td) = / e) by (unfold e; rewrite <- exp_Ropp; f_equal; field; lra).
assert (EZ : exp (0 / Td) = 1) by (replace (0 / Td) with 0 by (field; lra); apply exp_0).
assert (VP : 0 <= g * V <= 1) by nra.
(* If g V is at most 1/2, right answers are stopped at more often, else wrong ones less often, by the factor e at least. *)
assert (GAIN : d0 <= accuracy n ref s' right - accuracy n ref r right).
{ destruct (Rle_lt_dec (g * V) (1 / 2)) as [U|U].
  - apply Rle_trans with (accuracy n ref up right - accuracy n ref r right); [apply Rmin_l|]. apply Rplus_le_compat_r.
    apply accuracy_le; try assumption; intros y Hy Ry; destruct (SO y Hy) as [S1 S2]; pose proof (OE y Hy); apply odds_le; try assumption;
      try (apply OU, Hy); rewrite S2; unfold up, ind; rewrite Ry.
    + destruct (odds_times_in e (r y) ltac:(lra) (Ri y Hy)) as [_ ->]. apply Rmult_le_compat_l; [lra|]. rewrite <- EH. apply M. lra.
    + rewrite <- (Rmult_1_r (r y / (1 - r y))) at 2. apply Rmult_le_compat_l; [lra|]. rewrite <- EZ. apply M. lra.
  - apply Rle_trans with (accuracy n ref down right - accuracy n ref r right); [apply Rmin_r|]. apply Rplus_le_compat_r.
    apply accuracy_le; try assumption; intros y Hy Ry; destruct (SO y Hy) as [S1 S2]; pose proof (OE y Hy); apply odds_le; try assumption;
      try (apply OD, Hy); rewrite S2; unfold down, ind; rewrite Ry.
    + rewrite <- (Rmult_1_r (r y / (1 - r y))) at 1. apply Rmult_le_compat_l; [lra|]. rewrite <- EZ. apply M. lra.
    + destruct (odds_times_in (/ e) (r y) ltac:(lra) (Ri y Hy)) as [_ ->]. apply Rmult_le_compat_l; [lra|]. rewrite <- EM. apply M. lra. }
assert (I2 : 0 < 2 / Ts) by (apply Rdiv_lt_0_compat; lra).
assert (X2 : 2 / Ts * Ts = 2) by (field; lra).
assert (H2 : 2 / Ts <= 1 / 2) by nra.
assert (NEAR : forall y, (y < n)%nat -> ref y * (1 - 2 / Ts) <= pi' y <= ref y * (1 + 2 / Ts)).
{ intros y Hy. apply pinned; try assumption; try lra. intros i Hi. apply Wb; assumption. }
pose proof (accuracy_near n ref pi' r right (2 / Ts) O OP ltac:(lra) NEAR) as N0.
pose proof (accuracy_near n ref pi' s' right (2 / Ts) O1 OPS ltac:(lra) NEAR) as N1.
assert (HALF : 2 / Ts <= d0 / 2) by nra.
assert (TOT : d0 / 2 <= accuracy n pi' s' right - accuracy n ref r right) by lra.
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
clearbody z k x a b tot. clearbody d0. clear - TOT SP X4 P4 D0 Y. split; nra.
Qed.

(* The claim of the package is the instance with two answers. *)
Corollary E3_minimal p a b Td g : 0 < p < 1 -> 0 < a < 1 -> 0 < b < 1 -> 0 < Td -> 0 <= g <= 1 ->
  let ref := two p (1 - p) in let r := two a (1 - b) in let right := Nat.eqb 0 in
  exists G, 0 < G /\ forall Ts V, 4 <= Ts -> 4 <= G * Ts -> Phi 2 ref r (ind right) (fun _ => 0) Ts Td g V = V ->
  1 - decision_share 2 ref r (tilt 2 ref Ts (W r (ind right) (fun _ => 0) Td g V)) (s_opt r (ind right) (fun _ => 0) Td g V) right
  <= 4 / (G * Ts).
Proof.
intros Hp Ha Hb HT Hg ref r right.
destruct (share_tends_to_one 2 ref r right Td g (two_right_open p a b Hp Ha Hb) HT Hg) as [G [P H]].
exists G. split; [exact P|]. intros Ts V T4 TG HV. apply (H Ts V T4 TG HV).
Qed.
