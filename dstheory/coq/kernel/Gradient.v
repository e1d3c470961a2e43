(* The gradient of the endless chain's value, any number of answers, and when a reward pushes sampling down. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Policies Chain Accuracy.
Open Scope R_scope.

(* Policy gradient theorem of the endless chain, for any differentiable policy (tables, features, shared parameters): with pi', s'
   the derivatives of the probabilities, V' = N (sum pi' Q + sum pi s' (R_stop - R_res - g V)). *)
Theorem value_derive n (pi s : R -> nat -> R) pi' s' Rs Rr g t :
  g * again n (pi t) (s t) <> 1 ->
  (forall y, (y < n)%nat -> is_derive (fun x => pi x y) t (pi' y)) ->
  (forall y, (y < n)%nat -> is_derive (fun x => s x y) t (s' y)) ->
  let V := value n (pi t) (s t) Rs Rr g in
  is_derive (fun x => value n (pi x) (s x) Rs Rr g) t
    (turns n (pi t) (s t) g *
      (Sum n (fun y => pi' y * Q_answer (s t) Rs Rr g V y) + Sum n (fun y => pi t y * s' y * (Rs y - Rr y - g * V)))).
Proof.
intros D Dp Ds V.
assert (DR : is_derive (fun x => turn_reward n (pi x) (s x) Rs Rr) t
  (Sum n (fun y => pi' y * (s t y * Rs y + (1 - s t y) * Rr y) + pi t y * (s' y * (Rs y - Rr y))))).
{ apply Sum_derive. intros y Hy. apply (product_derive (fun x => pi x y) (fun x => s x y * Rs y + (1 - s x y) * Rr y)); [apply Dp, Hy|].
  apply is_derive_ext with (fun x => Rr y + (Rs y - Rr y) * s x y); [intro; simpl; ring|].
  evar_last; [apply (is_derive_plus (fun _ => Rr y) (fun x => (Rs y - Rr y) * s x y)); [apply @is_derive_const|]; apply is_derive_scal, Ds, Hy|].
  unfold plus, zero; simpl. ring. }
assert (DQ : is_derive (fun x => again n (pi x) (s x)) t (Sum n (fun y => pi' y * (1 - s t y) + pi t y * (- s' y)))).
{ apply Sum_derive. intros y Hy. apply (product_derive (fun x => pi x y) (fun x => 1 - s x y)); [apply Dp, Hy|].
  evar_last; [apply (is_derive_minus (fun _ => 1) (fun x => s x y)); [apply @is_derive_const | apply Ds, Hy]|].
  unfold minus, plus, opp, zero; simpl. ring. }
set (r' := Sum n _) in DR. set (q' := Sum n _) in DQ.
evar_last.
- apply (is_derive_div (fun x => turn_reward n (pi x) (s x) Rs Rr) (fun x => 1 - g * again n (pi x) (s x)) t r' (- (g * q')));
    [exact DR | | lra].
  evar_last; [apply (is_derive_minus (fun _ => 1) (fun x => g * again n (pi x) (s x)));
    [apply @is_derive_const | apply is_derive_scal, DQ]|].
  unfold minus, plus, opp, zero; simpl. ring.
- assert (E : Sum n (fun y => pi' y * Q_answer (s t) Rs Rr g V y) + Sum n (fun y => pi t y * s' y * (Rs y - Rr y - g * V))
    = r' + g * V * q').
  { unfold r', q'. rewrite <- Sum_scal, <- !Sum_plus. apply Sum_ext; intros y Hy. unfold Q_answer. ring. }
  rewrite E. unfold V, turns, value. field. lra.
Qed.

(* In the stop logit of answer j, whatever the probabilities of answers: visits, probability, variance of the decision, advantage. *)
Lemma decision_derive n pi tau Rs Rr g j : let s y := sigmoid (tau y) in g * again n pi s <> 1 -> (j < n)%nat ->
  is_derive (fun x => value n pi (fun y => sigmoid (upd tau j x y)) Rs Rr g) (tau j)
    (turns n pi s g * (pi j * (s j * (1 - s j)) * (Rs j - Rr j - g * value n pi s Rs Rr g))).
Proof.
intros s D Hj.
assert (E : forall k, sigmoid (upd tau j (tau j) k) = s k) by (intro; rewrite upd_self; reflexivity).
assert (Q : again n pi (fun y => sigmoid (upd tau j (tau j) y)) = again n pi s) by (apply Sum_ext; intros; rewrite E; reflexivity).
assert (R : turn_reward n pi (fun y => sigmoid (upd tau j (tau j) y)) Rs Rr = turn_reward n pi s Rs Rr)
  by (apply Sum_ext; intros; rewrite E; reflexivity).
evar_last.
- apply (value_derive n (fun _ => pi) (fun x y => sigmoid (upd tau j x y)) (fun _ => 0)
    (fun y => delta y j * (s y * (1 - s y)))).
  + rewrite Q; exact D.
  + intros; apply @is_derive_const.
  + intros y Hy. evar_last;
      [apply (is_derive_comp sigmoid (fun x => upd tau j x y)); [rewrite upd_self; apply sigmoid_derive | apply upd_derive]|].
    unfold scal; simpl; unfold mult; simpl. reflexivity.
- cbv zeta. unfold turns. unfold value at 1 2. rewrite Q, R. fold (value n pi s Rs Rr g). f_equal.
  rewrite Sum_zero by (intros; ring). rewrite Rplus_0_l.
  rewrite (Sum_ext n _ (fun y => (pi y * (s y * (1 - s y)) * (Rs y - Rr y - g * value n pi s Rs Rr g)) * delta y j)) by (intros; ring).
  apply (Sum_delta n (fun y => pi y * (s y * (1 - s y)) * (Rs y - Rr y - g * value n pi s Rs Rr g))), Hj.
Qed.

Section Table.
Variables (n : nat) (z tau Rs Rr : nat -> R) (g : R).
Hypothesis answers : (0 < n)%nat.
Let pi := softmax n z.
Let s y := sigmoid (tau y).
Hypothesis discount : 0 <= g <= 1.

Lemma table_policy : policy n pi s /\ ends n pi s g.
Proof.
assert (P : policy n pi s).
{ split; [apply softmax_sum, answers|]. split; intros y _; [apply Rlt_le, softmax_pos, answers|].
  unfold s; pose proof (sigmoid_in (tau y)); lra. }
split; [exact P|]. destruct (Req_dec g 1) as [->|]; [right; split; [reflexivity|] | left; lra].
exists 0%nat; repeat split; [exact answers | apply softmax_pos, answers | apply sigmoid_in].
Qed.

Lemma table_discounted : 0 <= g * again n pi s < 1.
Proof. apply discounted_in; apply table_policy. Qed.

Let V := value n pi s Rs Rr g.

Lemma V_mean : Sum n (fun y => pi y * Q_answer s Rs Rr g V y) = V.
Proof. symmetry. destruct table_policy as [P E]. apply (bellman_unique n pi s Rs Rr g V P E). reflexivity. Qed.

(* A2-n: in the sampling logit of answer j, dV/dz_j = N pi_j (Q_j - V): visits, probability, advantage. *)
Theorem sampling_gradient j : (j < n)%nat ->
  is_derive (fun x => value n (softmax n (upd z j x)) s Rs Rr g) (z j)
    (turns n pi s g * (pi j * (Q_answer s Rs Rr g V j - V))).
Proof.
intro Hj.
assert (E : forall k, (k < n)%nat -> softmax n (upd z j (z j)) k = pi k).
{ intros k Hk; apply softmax_ext; [intros; apply upd_self | exact Hk]. }
assert (Q : again n (softmax n (upd z j (z j))) s = again n pi s).
{ apply Sum_ext; intros; rewrite E by assumption; reflexivity. }
assert (R : turn_reward n (softmax n (upd z j (z j))) s Rs Rr = turn_reward n pi s Rs Rr).
{ apply Sum_ext; intros; rewrite E by assumption; reflexivity. }
pose proof table_discounted as D.
evar_last.
- apply (value_derive n (fun x => softmax n (upd z j x)) (fun _ => s) (fun i => pi i * (delta i j - pi j)) (fun _ => 0)).
  + rewrite Q; lra.
  + intros y Hy. apply softmax_table_derive; assumption.
  + intros; apply @is_derive_const.
- cbv zeta. unfold turns. unfold value at 1 2. rewrite Q, R. fold (value n pi s Rs Rr g). fold V. f_equal.
  rewrite (Sum_zero n (fun y => _ * 0 * _)) by (intros; ring).
  rewrite (Sum_ext n _ (fun y => (pi y * Q_answer s Rs Rr g V y) * delta y j + (- pi j) * (pi y * Q_answer s Rs Rr g V y)))
    by (intros; ring).
  rewrite Sum_plus, Sum_scal, V_mean, (Sum_delta n (fun y => pi y * Q_answer s Rs Rr g V y)) by exact Hj. ring.
Qed.

(* A2-n: in the stop logit of answer j, dV/dt_j = N pi_j s_j (1 - s_j)(R_stop - R_res - g V). *)
Theorem decision_gradient j : (j < n)%nat ->
  is_derive (fun x => value n pi (fun y => sigmoid (upd tau j x y)) Rs Rr g) (tau j)
    (turns n pi s g * (pi j * (s j * (1 - s j)) * (Rs j - Rr j - g * V))).
Proof. intro Hj. apply decision_derive; [pose proof table_discounted; fold s; lra | exact Hj]. Qed.
End Table.

(* P(right) along any curve of the sampling logits whose derivative is z': sum of pi z' (1[right] - P). *)
Lemma right_derive n (z : R -> nat -> R) z' right t : (0 < n)%nat ->
  (forall k, (k < n)%nat -> is_derive (fun x => z x k) t (z' k)) ->
  is_derive (fun x => P_right n (softmax n (z x)) right) t
    (Sum n (fun y => softmax n (z t) y * z' y * (ind right y - P_right n (softmax n (z t)) right))).
Proof.
intros N H. set (P := P_right n (softmax n (z t)) right). evar_last.
- apply (Sum_derive n (fun x y => softmax n (z x) y * ind right y)
    (fun y => softmax n (z t) y * score n z' (softmax n (z t)) y * ind right y)).
  intros y Hy. evar_last.
  + apply (product_derive (fun x => softmax n (z x) y) (fun _ => ind right y));
      [apply (softmax_derive n N z z'); [exact Hy | exact H] | apply @is_derive_const].
  + unfold zero; simpl. ring.
- unfold score. set (m := Sum n (fun k => softmax n (z t) k * z' k)).
  rewrite (Sum_ext n _ (fun y => softmax n (z t) y * z' y * ind right y - softmax n (z t) y * ind right y * m)) by (intros; ring).
  rewrite (Sum_ext n (fun y => _ * _ * (_ - P)) (fun y => softmax n (z t) y * z' y * ind right y - softmax n (z t) y * z' y * P))
    by (intros; ring).
  rewrite !Sum_minus, !Sum_scal_r. fold m. fold (P_right n (softmax n (z t)) right). fold P. ring.
Qed.

(* B6-undiscounted: without discount and cap, along the gradient flow of the sampling logits (z' the gradient of the accuracy),
   dP(right)/dt = N [(1-P)(1-Acc) sum_right pi^2 s + P Acc sum_wrong pi^2 s] > 0, for any number of right and wrong answers. *)
Theorem flow_undiscounted n (z : R -> nat -> R) z' s right t :
  let pi := softmax n (z t) in let P := P_right n pi right in let Acc := accuracy n pi s right in
  let N := turns n pi s 1 in
  open_chain n pi s right ->
  (forall k, (k < n)%nat -> is_derive (fun x => z x k) t (z' k)) ->
  (forall k, (k < n)%nat -> z' k = N * (pi k * (Q_answer s (ind right) (fun _ => 0) 1 Acc k - Acc))) ->
  exists d, is_derive (fun x => P_right n (softmax n (z x)) right) t d
  /\ d = N * ((1 - P) * (1 - Acc) * Sum n (fun y => ind right y * (pi y ^ 2 * s y))
              + P * Acc * Sum n (fun y => (1 - ind right y) * (pi y ^ 2 * s y)))
  /\ 0 < d.
Proof.
intros pi P Acc N O Dz G.
assert (Hn : (0 < n)%nat) by (destruct O as [_ [_ [_ [[y [Hy _]] _]]]]; lia).
eexists; split; [apply right_derive with (z' := z'); assumption|]. fold pi. fold P.
assert (E : Sum n (fun y => pi y * z' y * (ind right y - P))
  = N * ((1 - P) * (1 - Acc) * Sum n (fun y => ind right y * (pi y ^ 2 * s y))
         + P * Acc * Sum n (fun y => (1 - ind right y) * (pi y ^ 2 * s y)))).
{ rewrite <- !Sum_scal, <- Sum_plus, <- Sum_scal. apply Sum_ext; intros y Hy. rewrite G by exact Hy.
  unfold Q_answer, ind. destruct (right y); ring. }
rewrite E. split; [reflexivity|].
destruct (open_rates n pi s right O) as [A [B C]]. fold P in A, B, C.
assert (Ac : 0 < Acc < 1).
{ unfold Acc. rewrite accuracy_stops by exact O. set (c := stop_right n pi s right) in *. set (w := stop_wrong n pi s right) in *.
  clearbody c w. assert (c / (c + w) * (c + w) = c) by (field; lra). split; [apply Rdiv_lt_0_compat; lra | nra]. }
assert (Np : 0 < N).
{ unfold N, turns. apply Rdiv_lt_0_compat; [lra|]. rewrite (again_stops n pi s right (proj1 O)). lra. }
destruct O as [_ [Pp [S [[c [Hc Rc]] _]]]].
assert (X : forall y, (y < n)%nat -> 0 < pi y ^ 2 * s y) by (intros y Hy; apply Rmult_lt_0_compat; [apply pow_lt, Pp, Hy | apply S, Hy]).
assert (SR : 0 < Sum n (fun y => ind right y * (pi y ^ 2 * s y))).
{ apply (Sum_pos_one n _ c Hc); [unfold ind; rewrite Rc; pose proof (X c Hc); lra|].
  intros y Hy. pose proof (X y Hy). pose proof (ind_in right y). apply Rmult_le_pos; lra. }
assert (SW : 0 <= Sum n (fun y => (1 - ind right y) * (pi y ^ 2 * s y))).
{ apply Sum_nonneg. intros y Hy. pose proof (X y Hy). pose proof (ind_in right y). apply Rmult_le_pos; lra. }
apply Rmult_lt_0_compat; [exact Np|]. apply Rplus_lt_le_0_compat.
- apply Rmult_lt_0_compat; [apply Rmult_lt_0_compat; lra | exact SR].
- apply Rmult_le_pos; [apply Rmult_le_pos; lra | exact SW].
Qed.

(* The value of a terminal reward 1 for right answers is a discounted probability. *)
Lemma terminal_value_in n pi s right g : open_chain n pi s right -> 0 <= g <= 1 ->
  0 < value n pi s (ind right) (fun _ => 0) g < 1.
Proof.
intros O G. destruct (lumping n pi s right g O) as [_ ->]. destruct (open_rates n pi s right O) as [A _].
destruct (rates_in n pi s right O) as [RA RB].
set (a := rate_a n pi s right) in *. set (b := rate_b n pi s right) in *. set (P := P_right n pi right) in *. clearbody a b P.
assert (0 < P * a) by (apply Rmult_lt_0_compat; lra). assert (0 < (1 - P) * (1 - b)) by (apply Rmult_lt_0_compat; lra).
assert (0 < P * (1 - a)) by (apply Rmult_lt_0_compat; lra). assert (0 < (1 - P) * b) by (apply Rmult_lt_0_compat; lra).
set (q := P * (1 - a) + (1 - P) * b). assert (Q : P * a < 1 - q) by (unfold q; lra). assert (0 < q) by (unfold q; lra).
assert (D : P * a < 1 - g * q) by nra. split; [apply Rdiv_lt_0_compat; lra|].
assert (E : P * a / (1 - g * q) * (1 - g * q) = P * a) by (field; lra). nra.
Qed.

(* B6-natural: any number of answers, any discount. Let x solve F x = gradient, F = visits (diag(pi) - pi pi^T) the Fisher
   information of the sampling logits: along x P(right) rises. v = g V, the worth of starting over, is below 1. *)
Theorem natural_gradient_rises n pi s right g N visits x : open_chain n pi s right -> 0 <= g <= 1 -> 0 < N -> 0 < visits ->
  let V := value n pi s (ind right) (fun _ => 0) g in let Q := Q_answer s (ind right) (fun _ => 0) g V in
  let P := P_right n pi right in
  (forall j, (j < n)%nat -> visits * (pi j * (x j - Sum n (fun k => pi k * x k))) = N * (pi j * (Q j - V))) ->
  let dP := Sum n (fun y => pi y * x y * (ind right y - P)) in
  let Q_right := Sum n (fun y => pi y * ind right y * Q y) / P in
  let Q_wrong := Sum n (fun y => pi y * (1 - ind right y) * Q y) / (1 - P) in
  dP = N / visits * (P * (1 - P) * (Q_right - Q_wrong)) /\ 0 < dP.
Proof.
intros O G HN Hv V Q P F dP QR QW.
destruct (open_rates n pi s right O) as [A [B C]]. fold P in A, B, C.
assert (PO := open_policy n pi s right O). assert (EO := open_ends n pi s right g O G).
assert (M : Sum n (fun y => pi y * Q y) = V).
{ symmetry. apply (bellman_unique n pi s (ind right) (fun _ => 0) g V PO EO). reflexivity. }
assert (D : dP = N / visits * Sum n (fun y => ind right y * (pi y * (Q y - V)))).
{ unfold dP. set (m := Sum n (fun k => pi k * x k)).
  transitivity (Sum n (fun y => ind right y * (pi y * (x y - m)))).
  - rewrite (Sum_ext n _ (fun y => pi y * x y * ind right y - pi y * x y * P)) by (intros; ring).
    rewrite (Sum_ext n (fun y => ind right y * _) (fun y => pi y * x y * ind right y - pi y * ind right y * m)) by (intros; ring).
    rewrite !Sum_minus, !Sum_scal_r. fold m. fold (P_right n pi right). fold P. ring.
  - rewrite <- Sum_scal. apply Sum_ext; intros y Hy. pose proof (F y Hy) as E. fold m in E.
    replace (pi y * (x y - m)) with (N * (pi y * (Q y - V)) / visits) by (rewrite <- E; field; lra). unfold Rdiv. ring. }
set (SR := Sum n (fun y => pi y * ind right y * Q y)) in *. set (SW := Sum n (fun y => pi y * (1 - ind right y) * Q y)) in *.
assert (T : SR + SW = V) by (unfold SR, SW; rewrite <- Sum_plus, <- M; apply Sum_ext; intros; ring).
assert (U : Sum n (fun y => ind right y * (pi y * (Q y - V))) = SR - P * V).
{ unfold SR, P, P_right. rewrite <- Sum_scal_r, <- Sum_minus. apply Sum_ext; intros; ring. }
assert (L : P * (1 - P) * (QR - QW) = SR - P * V) by (unfold QR, QW; rewrite <- T; field; lra).
split; [rewrite D, U, L; reflexivity|]. rewrite D.
apply Rmult_lt_0_compat; [apply Rdiv_lt_0_compat; assumption|].
assert (W : 0 < V < 1) by (apply terminal_value_in; assumption).
destruct O as [H [Pp [S [[c [Hc Rc]] _]]]].
assert (GV : 0 <= g * V < 1) by nra.
assert (R : P * (g * V) < SR).
{ unfold SR, P, P_right. rewrite <- Sum_scal_r. apply (Sum_lt_one n _ _ c Hc).
  - unfold Q, Q_answer, ind; rewrite Rc. pose proof (Pp c Hc). pose proof (S c Hc). set (v := g * V) in *. clearbody v.
    assert (0 < pi c * (s c * (1 - v))) by (repeat apply Rmult_lt_0_compat; lra). lra.
  - intros y Hy. unfold Q, Q_answer, ind. pose proof (Pp y Hy). pose proof (S y Hy). set (v := g * V) in *. clearbody v.
    assert (0 < pi y * (s y * (1 - v))) by (repeat apply Rmult_lt_0_compat; lra). destruct (right y); lra. }
assert (X : SW <= (1 - P) * (g * V)).
{ replace (1 - P) with (Sum n (fun y => pi y * (1 - ind right y))).
  - unfold SW. rewrite <- Sum_scal_r. apply Sum_le. intros y Hy. unfold Q, Q_answer, ind. pose proof (Pp y Hy). pose proof (S y Hy). set (v := g * V) in *. clearbody v.
    assert (0 <= pi y * (s y * v)) by (repeat apply Rmult_le_pos; lra). destruct (right y); lra.
  - unfold P, P_right. rewrite <- H at 1. rewrite <- Sum_minus. apply Sum_ext; intros; ring. }
rewrite U. clear - A R X T. clearbody V SR SW P. nra.
Qed.

(* B6: with two answers, answer 0 right, reward 1 for submitting it: dV/dtheta_s = N^2 p (1 - p) a (1 - g b) > 0. *)
Theorem accuracy_lifts_sampling theta a b g : 0 < a < 1 -> 0 < b < 1 -> 0 <= g <= 1 ->
  let p := sigmoid theta in let q := p * (1 - a) + (1 - p) * b in let N := 1 / (1 - g * q) in
  is_derive (fun x => sigmoid x * a / (1 - g * (sigmoid x * (1 - a) + (1 - sigmoid x) * b))) theta
    (N ^ 2 * (p * (1 - p)) * a * (1 - g * b))
  /\ 0 < N ^ 2 * (p * (1 - p)) * a * (1 - g * b).
Proof.
intros Ha Hb Hg p q N. pose proof (sigmoid_in theta) as Hp. fold p in Hp.
assert (Q : 0 < q < 1) by (unfold q; split; nra). assert (D : 0 < 1 - g * q) by nra. split.
- evar_last.
  + apply (is_derive_comp (fun p => p * a / (1 - g * (p * (1 - a) + (1 - p) * b))) sigmoid theta (a * (1 - g * b) / (1 - g * q) ^ 2) (p * (1 - p)));
      [|apply sigmoid_derive]. fold p. unfold q in *. auto_derive; [lra|]. field. lra.
  + unfold scal; simpl; unfold mult; simpl. unfold N. field. lra.
- assert (0 < N) by (apply Rdiv_lt_0_compat; lra). assert (0 < 1 - g * b) by nra. clearbody N q p.
  repeat apply Rmult_lt_0_compat; try apply pow_lt; lra.
Qed.

(* B6-region: with any rewards, u_C and u_W the mean rewards of a turn at a right and at a wrong answer, the sampling gradient is
   N^2 p (1-p) times u_C (1 - g b) - u_W (1 - g (1 - a)): negative exactly where being wrong is worth more. *)
Theorem sampling_region theta a b uC uW g : 0 < a < 1 -> 0 < b < 1 -> 0 <= g <= 1 ->
  let p := sigmoid theta in
  exists d, is_derive (fun x => (sigmoid x * uC + (1 - sigmoid x) * uW)
                                / (1 - g * (sigmoid x * (1 - a) + (1 - sigmoid x) * b))) theta d
  /\ (d < 0 <-> uW / (1 - g * b) > uC / (1 - g * (1 - a))).
Proof.
intros Ha Hb Hg p. pose proof (sigmoid_in theta) as Hp. fold p in Hp. set (q := p * (1 - a) + (1 - p) * b).
assert (Q : 0 < q < 1) by (unfold q; split; nra). assert (D : 0 < 1 - g * q) by nra.
assert (X : 0 < 1 - g * b) by nra. assert (Y : 0 < 1 - g * (1 - a)) by nra.
exists ((uC * (1 - g * b) - uW * (1 - g * (1 - a))) / (1 - g * q) ^ 2 * (p * (1 - p))). split.
- evar_last.
  + apply (is_derive_comp (fun p => (p * uC + (1 - p) * uW) / (1 - g * (p * (1 - a) + (1 - p) * b))) sigmoid theta
      ((uC * (1 - g * b) - uW * (1 - g * (1 - a))) / (1 - g * q) ^ 2) (p * (1 - p))); [|apply sigmoid_derive].
    fold p. unfold q in *. auto_derive; [lra|]. field. lra.
  + unfold scal; simpl; unfold mult; simpl. ring.
- set (U := uC / (1 - g * (1 - a))). set (W := uW / (1 - g * b)).
  replace (uC * (1 - g * b) - uW * (1 - g * (1 - a))) with ((1 - g * b) * (1 - g * (1 - a)) * (U - W)) by (unfold U, W; field; lra).
  assert (K : 0 < (1 - g * b) * (1 - g * (1 - a)) / (1 - g * q) ^ 2 * (p * (1 - p))).
  { apply Rmult_lt_0_compat; [apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat | apply pow_lt] | apply Rmult_lt_0_compat]; lra. }
  replace ((1 - g * b) * (1 - g * (1 - a)) * (U - W) / (1 - g * q) ^ 2 * (p * (1 - p)))
    with ((1 - g * b) * (1 - g * (1 - a)) / (1 - g * q) ^ 2 * (p * (1 - p)) * (U - W)) by (field; lra).
  set (k := (1 - g * b) * (1 - g * (1 - a)) / (1 - g * q) ^ 2 * (p * (1 - p))) in *. clearbody k U W. split; intro; nra.
Qed.

(* B6-price: terminal accuracy with a price kappa per resample is the case u_C = a - kappa (1 - a), u_W = - kappa b. *)
Corollary price_region a b kappa g : 0 < a < 1 -> 0 < b < 1 -> 0 <= g <= 1 -> 0 <= kappa ->
  (- kappa * b / (1 - g * b) > (a - kappa * (1 - a)) / (1 - g * (1 - a)) <-> kappa * (1 - a - b) > a * (1 - g * b))
  /\ (a + b >= 1 -> ~ kappa * (1 - a - b) > a * (1 - g * b)).
Proof.
intros Ha Hb Hg Hk. assert (X : 0 < 1 - g * b) by nra. assert (Y : 0 < 1 - g * (1 - a)) by nra. split.
- assert (E : - kappa * b / (1 - g * b) - (a - kappa * (1 - a)) / (1 - g * (1 - a))
    = (kappa * (1 - a - b) - a * (1 - g * b)) / ((1 - g * b) * (1 - g * (1 - a)))) by (field; lra).
  assert (K : 0 < / ((1 - g * b) * (1 - g * (1 - a)))) by (apply Rinv_0_lt_compat, Rmult_lt_0_compat; assumption).
  unfold Rdiv in *. set (k := / ((1 - g * b) * (1 - g * (1 - a)))) in *. clearbody k. split; intro; nra.
- intros H C. nra.
Qed.

(* B6-answers, the counterexample: two right answers and a wrong one, g = 1/5, probabilities 1/5, 3/4, 1/20, P(stop) 1/2, 1/5, 1/5:
   along the gradient flow of the sampling logits P(right) falls. *)
Definition point_pi (y : nat) : R := match y with O => 1 / 5 | S O => 3 / 4 | _ => 1 / 20 end.
Definition point_stop (y : nat) : R := match y with O => 1 / 2 | _ => 1 / 5 end.
Definition point_right (y : nat) : bool := Nat.ltb y 2.

Theorem answers_counterexample (z : R -> nat -> R) z' t :
  let V := value 3 point_pi point_stop (ind point_right) (fun _ => 0) (1 / 5) in
  (forall k, (k < 3)%nat -> softmax 3 (z t) k = point_pi k) ->
  (forall k, (k < 3)%nat -> is_derive (fun x => z x k) t (z' k)) ->
  (forall k, (k < 3)%nat -> z' k = turns 3 point_pi point_stop (1 / 5)
    * (point_pi k * (Q_answer point_stop (ind point_right) (fun _ => 0) (1 / 5) V k - V))) ->
  exists d, is_derive (fun x => P_right 3 (softmax 3 (z x)) point_right) t d /\ d < 0.
Proof.
intros V E D G. eexists; split; [apply right_derive with (z' := z'); [lia | exact D]|].
assert (EP : P_right 3 (softmax 3 (z t)) point_right = 19 / 20).
{ unfold P_right; simpl. rewrite !E by lia. unfold ind; simpl. field. }
rewrite EP. simpl. rewrite !E, !G by lia. unfold V, value, turns, turn_reward, again, Q_answer, ind; simpl. lra.
Qed.
