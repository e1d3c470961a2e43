(* Where the optimum of E1 is not stationary: the direct term alone, and a penalty that is not discounted as the reward is. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Policies Chain Accuracy Gradient Gibbs Optimum Endless.
Open Scope R_scope.

(* The relative entropy of a decision, its stop logit's distance from the reference's, and the penalty of a turn. *)
Definition coin x r := KL 2 (two x (1 - x)) (two r (1 - r)).
Definition shift x r := ln (x / (1 - x)) - ln (r / (1 - r)).
Definition turn_penalty n ref r Ts Td (p s : nat -> R) := Ts * KL n p ref + Td * Sum n (fun y => p y * coin (s y) (r y)).

Lemma coin_derive t r : 0 < r < 1 ->
  is_derive (fun u => coin (sigmoid u) r) t (sigmoid t * (1 - sigmoid t) * shift (sigmoid t) r).
Proof.
intro R. pose proof (sigmoid_in t) as S. destruct (sigmoid_log_derive t) as [A B].
apply is_derive_ext with (fun u => sigmoid u * (ln (sigmoid u) - ln r) + (1 - sigmoid u) * (ln (1 - sigmoid u) - ln (1 - r))).
- intro u. pose proof (sigmoid_in u). unfold coin, KL; simpl. rewrite !ln_div by lra. ring.
- evar_last.
  + apply (sum_derive (fun u => sigmoid u * (ln (sigmoid u) - ln r)) (fun u => (1 - sigmoid u) * (ln (1 - sigmoid u) - ln (1 - r)))).
    * apply (product_derive sigmoid (fun u => ln (sigmoid u) - ln r)); [apply sigmoid_derive|].
      apply (is_derive_minus (fun u => ln (sigmoid u)) (fun _ => ln r)); [exact A | apply @is_derive_const].
    * apply (product_derive (fun u => 1 - sigmoid u) (fun u => ln (1 - sigmoid u) - ln (1 - r))); [apply complement_derive, sigmoid_derive|].
      apply (is_derive_minus (fun u => ln (1 - sigmoid u)) (fun _ => ln (1 - r))); [exact B | apply @is_derive_const].
  + unfold shift. rewrite !ln_div by lra. unfold minus, plus, opp, zero; simpl. ring.
Qed.

Section Slopes.
Variables (n : nat) (ref r Rs Rr p tau : nat -> R) (Ts Td g : R).
Hypothesis r_in : forall y, (y < n)%nat -> 0 < r y < 1.
Hypothesis p_sum : Sum n p = 1.
Hypothesis p_pos : forall y, (y < n)%nat -> 0 < p y.
Hypothesis answers : (0 < n)%nat.
Hypothesis discount : 0 <= g <= 1.
Let s y := sigmoid (tau y).
Let N := turns n p s g.
Let N1 := turns n p s 1.
Let t := turn_penalty n ref r Ts Td p s.
Let V_R := value n p s Rs Rr g.

Lemma slopes_policy : policy n p s /\ 0 < again n p s < 1.
Proof.
assert (S : forall y, 0 < s y < 1) by (intro; apply sigmoid_in).
assert (P : policy n p s).
{ split; [exact p_sum|]. split; intros y Hy; [apply Rlt_le, p_pos, Hy | pose proof (S y); lra]. }
split; [exact P|]. split; [|apply (again_lt_1 n p s 0 P answers); [apply p_pos, answers | apply S]].
apply Sum_pos; [exact answers|]. intros y Hy. pose proof (S y). apply Rmult_lt_0_compat; [apply p_pos, Hy | lra].
Qed.

Lemma penalty_derive j : (j < n)%nat ->
  is_derive (fun u => turn_penalty n ref r Ts Td p (fun y => sigmoid (upd tau j u y))) (tau j)
    (Td * (p j * (s j * (1 - s j) * shift (s j) (r j)))).
Proof.
intro Hj. evar_last.
- apply (sum_derive (fun _ => Ts * KL n p ref)); [apply @is_derive_const|]. apply is_derive_scal.
  apply (Sum_derive n (fun u y => p y * coin (sigmoid (upd tau j u y)) (r y)) (fun y => (p y * (s y * (1 - s y) * shift (s y) (r y))) * delta y j)).
  intros y Hy. evar_last.
  + apply is_derive_scal. apply (is_derive_comp (fun v => coin (sigmoid v) (r y)) (fun u => upd tau j u y));
      [apply coin_derive, r_in, Hy | apply upd_derive].
  + unfold scal; simpl; unfold mult; simpl. rewrite upd_self. unfold s. ring.
- rewrite (Sum_delta n (fun y => p y * (s y * (1 - s y) * shift (s y) (r y)))) by exact Hj. unfold zero; simpl. ring.
Qed.

(* Reward plus direct term: the penalty's visits M are frozen. *)
Lemma direct_slope M j : (j < n)%nat ->
  is_derive (fun u => value n p (fun y => sigmoid (upd tau j u y)) Rs Rr g
    - M * turn_penalty n ref r Ts Td p (fun y => sigmoid (upd tau j u y))) (tau j)
    (p j * (s j * (1 - s j)) * (N * (Rs j - Rr j - g * V_R) - M * (Td * shift (s j) (r j)))).
Proof.
intro Hj. destruct slopes_policy as [_ Q]. evar_last.
- apply (is_derive_minus (fun u => value n p (fun y => sigmoid (upd tau j u y)) Rs Rr g)).
  + apply decision_derive; [fold s; nra | exact Hj].
  + apply is_derive_scal, penalty_derive, Hj.
- unfold minus, plus, opp; simpl. unfold N, V_R, s. ring.
Qed.

(* Discounted reward less the undiscounted penalty. *)
Lemma undiscounted_slope j : (j < n)%nat ->
  is_derive (fun u => value n p (fun y => sigmoid (upd tau j u y)) Rs Rr g
    - turns n p (fun y => sigmoid (upd tau j u y)) 1 * turn_penalty n ref r Ts Td p (fun y => sigmoid (upd tau j u y))) (tau j)
    (p j * (s j * (1 - s j)) * (N * (Rs j - Rr j - g * V_R) - N1 * (Td * shift (s j) (r j) - N1 * t))).
Proof.
intro Hj. destruct slopes_policy as [_ Q].
assert (E : forall q, value n p q (fun _ => 1) (fun _ => 1) 1 = turns n p q 1).
{ intro q. unfold value, turns, turn_reward. rewrite (Sum_ext n _ p) by (intros; ring). rewrite p_sum. reflexivity. }
assert (DT : is_derive (fun u => turns n p (fun y => sigmoid (upd tau j u y)) 1) (tau j) (- (N1 ^ 2 * (p j * (s j * (1 - s j)))))).
{ apply is_derive_ext with (fun u => value n p (fun y => sigmoid (upd tau j u y)) (fun _ => 1) (fun _ => 1) 1); [intro; apply E|].
  evar_last; [apply decision_derive; [fold s; lra | exact Hj]|]. rewrite E. unfold N1, s. ring. }
evar_last.
- apply (is_derive_minus (fun u => value n p (fun y => sigmoid (upd tau j u y)) Rs Rr g)).
  + apply decision_derive; [fold s; nra | exact Hj].
  + apply (product_derive (fun u => turns n p (fun y => sigmoid (upd tau j u y)) 1)); [exact DT | apply penalty_derive, Hj].
- assert (X : turns n p (fun y => sigmoid (upd tau j (tau j) y)) 1 = N1).
  { unfold N1, turns, again. do 3 f_equal. apply Sum_ext; intros; rewrite upd_self; reflexivity. }
  assert (Y : turn_penalty n ref r Ts Td p (fun y => sigmoid (upd tau j (tau j) y)) = t).
  { unfold t, turn_penalty. do 2 f_equal. apply Sum_ext; intros; rewrite upd_self; reflexivity. }
  rewrite X, Y. unfold minus, plus, opp; simpl. change (sigmoid (tau j)) with (s j). fold s. fold N V_R. ring.
Qed.

(* E1-direct: where the direct term's slopes vanish, E1's form holds with the reward's own values, scaled by N/N_1. *)
Theorem direct_form :
  (forall j, (j < n)%nat -> is_derive (fun u => value n p (fun y => sigmoid (upd tau j u y)) Rs Rr g
     - N1 * turn_penalty n ref r Ts Td p (fun y => sigmoid (upd tau j u y))) (tau j) 0)
  <-> forall j, (j < n)%nat -> Td * shift (s j) (r j) = N / N1 * (Rs j - Rr j - g * V_R).
Proof.
destruct slopes_policy as [_ Q]. assert (N1p : 0 < N1) by (apply Rdiv_lt_0_compat; lra).
assert (K : forall j, (j < n)%nat -> 0 < p j * (s j * (1 - s j))).
{ intros j Hj. pose proof (sigmoid_in (tau j)) as S. fold (s j) in S. apply Rmult_lt_0_compat; [apply p_pos, Hj | nra]. }
assert (X : forall x y, N / N1 * x = y <-> N * x - N1 * y = 0).
{ intros x y. split; intro H; [rewrite <- H; field; lra | apply Rmult_eq_reg_l with N1; [field_simplify; lra | lra]]. }
split; intros H j Hj; pose proof (K j Hj) as Kj.
- symmetry. apply X. pose proof (is_derive_unique _ _ _ (H j Hj)) as U. rewrite (is_derive_unique _ _ _ (direct_slope N1 j Hj)) in U.
  apply Rmult_integral in U. destruct U; lra.
- evar_last; [apply direct_slope, Hj|]. pose proof (H j Hj) as E. symmetry in E. apply X in E. rewrite E. ring.
Qed.
End Slopes.

(* At E1's optimum, terminal accuracy reward. *)
Section AtOptimum.
Variables (n : nat) (ref r tau : nat -> R) (right : nat -> bool) (Ts Td g V : R).
Hypothesis reference : open_chain n ref r right.
Hypothesis Ts_pos : 0 < Ts.
Hypothesis Td_pos : 0 < Td.
Hypothesis discount : 0 <= g <= 1.
Hypothesis optimum : Phi n ref r (ind right) (fun _ => 0) Ts Td g V = V.
Let p := tilt n ref Ts (W r (ind right) (fun _ => 0) Td g V).
Hypothesis logits : forall y, (y < n)%nat -> sigmoid (tau y) = s_opt r (ind right) (fun _ => 0) Td g V y.
Let s y := sigmoid (tau y).
Let t := turn_penalty n ref r Ts Td p s.
Let V_R := value n p s (ind right) (fun _ => 0) g.

Lemma optimum_facts : (0 < n)%nat /\ (forall y, (y < n)%nat -> 0 < r y < 1) /\ Sum n p = 1 /\ (forall y, (y < n)%nat -> 0 < p y)
  /\ (forall y, (y < n)%nat -> Td * shift (s y) (r y) = ind right y - g * V)
  /\ V = V_R - turns n p s g * t.
Proof.
destruct reference as [Rq [Rp [Ri _]]]. assert (Hn : (0 < n)%nat) by (apply (some_answer n ref); assumption).
assert (PS : Sum n p = 1) by (apply tilt_sum; assumption). assert (PP : forall y, (y < n)%nat -> 0 < p y) by (intros; apply tilt_pos; assumption).
split; [exact Hn|]. split; [exact Ri|]. split; [exact PS|]. split; [exact PP|]. split.
- intros y Hy. destruct (s_opt_odds n r (ind right) (fun _ => 0) Td g Ri Td_pos V y Hy) as [_ E]. rewrite <- logits in E by exact Hy.
  fold (s y) in E. unfold shift. rewrite E. pose proof (Ri y Hy). rewrite ln_mult, ln_exp by (apply exp_pos || (apply Rdiv_lt_0_compat; lra)).
  field. lra.
- pose proof (soft_bellman_attained n ref r (ind right) (fun _ => 0) Ts Td g Rp Rq Ri Ts_pos Td_pos V optimum) as A. fold p in A.
  rewrite payoff_sum in A. destruct (slopes_policy n p tau PS PP Hn) as [_ Q]. fold s in Q.
  set (so := fun y => tilt 2 (two (r y) (1 - r y)) Td (choices (ind right) (fun _ => 0) g V y) 0) in A.
  assert (SO : forall y, (y < n)%nat -> so y = s y) by (intros y Hy; symmetry; apply logits, Hy).
  assert (AG : again n p so = again n p s) by (apply Sum_ext; intros y Hy; rewrite SO by exact Hy; reflexivity). rewrite AG in A.
  assert (PO : turn n ref r (ind right) (fun _ => 0) Ts Td g p so 0 = turn_reward n p s (ind right) (fun _ => 0) - t).
  { unfold turn, penalised at 1, t, turn_penalty, turn_reward, KL. rewrite <- !Sum_scal, <- Sum_plus, <- Sum_minus. apply Sum_ext; intros y Hy.
    unfold penalised, choices, coin, KL; simpl. rewrite SO by exact Hy. ring. }
  rewrite PO in A. unfold V_R, value, turns. assert (D : 0 < 1 - g * again n p s) by nra.
  apply Rmult_eq_reg_r with (1 - g * again n p s); [|lra]. field_simplify; lra.
Qed.

(* E1-direct: it is no stationary point of the reward's gradient plus the direct term, the penalty's visits frozen. *)
Theorem direct_not_stationary :
  ~ (forall j, (j < n)%nat -> is_derive (fun u => value n p (fun y => sigmoid (upd tau j u y)) (ind right) (fun _ => 0) g
       - turns n p s 1 * turn_penalty n ref r Ts Td p (fun y => sigmoid (upd tau j u y))) (tau j) 0).
Proof.
intro H. destruct optimum_facts as [Hn [Ri [PS [PP [SH VV]]]]]. destruct (slopes_policy n p tau PS PP Hn) as [_ Q]. fold s in Q.
pose proof (proj1 (direct_form n ref r (ind right) (fun _ => 0) p tau Ts Td g Ri PS PP Hn discount) H) as F. clear H. fold s V_R in F.
destruct reference as [Rq [Rp [_ [[c [Hc Rc]] [w [Hw Rw]]]]]].
pose proof (F c Hc) as Fc. pose proof (F w Hw) as Fw. fold (s c) in Fc. fold (s w) in Fw. pose proof (SH c Hc) as Sc. pose proof (SH w Hw) as Sw.
rewrite Sc in Fc. rewrite Sw in Fw. unfold ind in Fc, Fw, Sc, Sw. rewrite Rc in Fc, Sc. rewrite Rw in Fw, Sw.
set (q := again n p s) in *. assert (D : 0 < 1 - g * q) by nra.
assert (NN : turns n p s g / turns n p s 1 = (1 - q) / (1 - g * q)) by (unfold turns; fold q; field; lra). rewrite NN in Fc, Fw.
set (k := (1 - q) / (1 - g * q)) in *. assert (K : k = 1) by lra.
assert (G1 : g = 1). { assert (k * (1 - g * q) = 1 - q) by (unfold k; field; lra). rewrite K in H. nra. }
rewrite K, G1 in Fw. assert (t = 0) as T0.
{ assert (0 < turns n p s g) by (apply Rdiv_lt_0_compat; [lra | exact D]). assert (turns n p s g * t = 0) as Z by lra.
  apply Rmult_integral in Z. destruct Z; lra. }
assert (CN : forall y, (y < n)%nat -> 0 <= p y * coin (s y) (r y) /\ (p y * coin (s y) (r y) = 0 -> s y = r y)).
{ intros y Hy. pose proof (PP y Hy). pose proof (sigmoid_in (tau y)) as S. fold (s y) in S.
  destruct (gibbs 2 (two (s y) (1 - s y)) (two (r y) (1 - r y)) (two_sum _) (two_sum _) (two_nonneg (s y) ltac:(lra)) (two_pos (r y) (Ri y Hy)))
    as [G E]. fold (coin (s y) (r y)) in G, E. split; [apply Rmult_le_pos; lra|]. intro Z. apply Rmult_integral in Z. destruct Z as [Z|Z]; [lra|].
  apply (proj1 E Z 0%nat). lia. }
assert (KP : 0 <= KL n p ref) by (apply gibbs; try assumption; intros; apply Rlt_le, PP; assumption).
assert (Z : Sum n (fun y => p y * coin (s y) (r y)) = 0).
{ pose proof (Sum_nonneg n _ (fun y Hy => proj1 (CN y Hy))). unfold t, turn_penalty in T0. nra. }
pose proof (Sum_zero_each n _ (fun y Hy => proj1 (CN y Hy)) Z) as EZ.
assert (EQ : forall y, (y < n)%nat -> shift (s y) (r y) = 0).
{ intros y Hy. unfold shift. rewrite (proj2 (CN y Hy) (EZ y Hy)). ring. }
rewrite (EQ c Hc) in Sc. rewrite (EQ w Hw) in Sw. lra.
Qed.

(* E1-discount: with gamma < 1 it is no stationary point of discounted reward less undiscounted penalty. *)
Theorem discount_not_stationary : g < 1 ->
  ~ (forall j, (j < n)%nat -> is_derive (fun u => value n p (fun y => sigmoid (upd tau j u y)) (ind right) (fun _ => 0) g
       - turns n p (fun y => sigmoid (upd tau j u y)) 1 * turn_penalty n ref r Ts Td p (fun y => sigmoid (upd tau j u y))) (tau j) 0).
Proof.
intros G H. destruct optimum_facts as [Hn [Ri [PS [PP [SH VV]]]]]. destruct (slopes_policy n p tau PS PP Hn) as [_ Q]. fold s in Q.
assert (F : forall j, (j < n)%nat -> turns n p s g * (ind right j - 0 - g * V_R) - turns n p s 1 * (ind right j - g * V - turns n p s 1 * t) = 0).
{ intros j Hj. pose proof (is_derive_unique _ _ _ (H j Hj)) as U.
  rewrite (is_derive_unique _ _ _ (undiscounted_slope n ref r (ind right) (fun _ => 0) p tau Ts Td g Ri PS PP Hn discount j Hj)) in U.
  fold s V_R t in U. fold (s j) in U. rewrite SH in U by exact Hj. pose proof (PP j Hj). pose proof (sigmoid_in (tau j)) as S. fold (s j) in S.
  assert (0 < p j * (s j * (1 - s j))) by (apply Rmult_lt_0_compat; nra). apply Rmult_integral in U. destruct U; lra. }
destruct reference as [_ [_ [_ [[c [Hc Rc]] [w [Hw Rw]]]]]]. pose proof (F c Hc) as Fc. pose proof (F w Hw) as Fw.
unfold ind in Fc, Fw. rewrite Rc in Fc. rewrite Rw in Fw. assert (E : turns n p s g = turns n p s 1) by lra.
unfold turns in E. set (q := again n p s) in *. assert (D : 0 < 1 - g * q) by nra.
assert (X : 1 - 1 * q = 1 - g * q).
{ replace (1 - g * q) with (/ (1 / (1 - g * q))) by (field; lra). rewrite E. field. lra. }
nra.
Qed.
End AtOptimum.

(* Logits of any probabilities. *)
Lemma sigmoid_logit x : 0 < x < 1 -> sigmoid (ln (x / (1 - x))) = x.
Proof.
intro X. assert (0 < x / (1 - x)) by (apply Rdiv_lt_0_compat; lra). unfold sigmoid. rewrite exp_Ropp, exp_ln by assumption. field. lra.
Qed.

Lemma optimum_exists n ref r right Ts Td g : open_chain n ref r right -> 0 < Ts -> 0 < Td -> 0 <= g <= 1 -> exists tau V,
  Phi n ref r (ind right) (fun _ => 0) Ts Td g V = V
  /\ forall y, (y < n)%nat -> sigmoid (tau y) = s_opt r (ind right) (fun _ => 0) Td g V y.
Proof.
intros O T0 Td0 G. destruct O as [Rq [Rp [Ri _]]].
destruct (terminal_unique n ref r (ind right) Ts Td g Rp Rq Ri T0 Td0 G ltac:(intros; apply ind_in)) as [V [HV _]].
set (s := s_opt r (ind right) (fun _ => 0) Td g V). exists (fun y => ln (s y / (1 - s y))), V. split; [exact HV|].
intros y Hy. apply sigmoid_logit, (s_opt_odds n); assumption.
Qed.

Example direct_not_stationary_met n ref r right Ts Td g : open_chain n ref r right -> 0 < Ts -> 0 < Td -> 0 <= g <= 1 -> exists tau V,
  Phi n ref r (ind right) (fun _ => 0) Ts Td g V = V
  /\ (forall y, (y < n)%nat -> sigmoid (tau y) = s_opt r (ind right) (fun _ => 0) Td g V y)
  /\ let p := tilt n ref Ts (W r (ind right) (fun _ => 0) Td g V) in
     ~ (forall j, (j < n)%nat -> is_derive (fun u => value n p (fun y => sigmoid (upd tau j u y)) (ind right) (fun _ => 0) g
       - turns n p (fun y => sigmoid (tau y)) 1 * turn_penalty n ref r Ts Td p (fun y => sigmoid (upd tau j u y))) (tau j) 0).
Proof.
intros O T0 Td0 G. destruct (optimum_exists n ref r right Ts Td g O T0 Td0 G) as [tau [V [HV L]]]. exists tau, V. split; [exact HV|].
split; [exact L|]. apply (direct_not_stationary n ref r tau right Ts Td g V O T0 Td0 G HV L).
Qed.

Example discount_not_stationary_met n ref r right Ts Td g : open_chain n ref r right -> 0 < Ts -> 0 < Td -> 0 <= g < 1 -> exists tau V,
  Phi n ref r (ind right) (fun _ => 0) Ts Td g V = V
  /\ (forall y, (y < n)%nat -> sigmoid (tau y) = s_opt r (ind right) (fun _ => 0) Td g V y)
  /\ let p := tilt n ref Ts (W r (ind right) (fun _ => 0) Td g V) in
     ~ (forall j, (j < n)%nat -> is_derive (fun u => value n p (fun y => sigmoid (upd tau j u y)) (ind right) (fun _ => 0) g
       - turns n p (fun y => sigmoid (upd tau j u y)) 1 * turn_penalty n ref r Ts Td p (fun y => sigmoid (upd tau j u y))) (tau j) 0).
Proof.
intros O T0 Td0 G. destruct (optimum_exists n ref r right Ts Td g O T0 Td0 ltac:(lra)) as [tau [V [HV L]]]. exists tau, V. split; [exact HV|].
split; [exact L|]. apply (discount_not_stationary n ref r tau right Ts Td g V O T0 Td0 ltac:(lra) HV L). lra.
Qed.
