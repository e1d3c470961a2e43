(* The flow of the accuracy reward with any discount: what it keeps, for any number of answers, and what it does not. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Policies Picard Lipschitz Chain Accuracy Gradient.
Open Scope R_scope.

(* A function whose slope is at least c on [u, v] rises by at least c (v - u). *)
Lemma grows (f f' : R -> R) c u v : u <= v -> (forall t, u <= t <= v -> is_derive f t (f' t)) -> (forall t, u <= t <= v -> c <= f' t) ->
  c * (v - u) <= f v - f u.
Proof.
intros L D C. destruct (MVT_gen f u v f') as [t [T E]]; rewrite ?Rmin_left, ?Rmax_right in * by lra.
- intros; apply D; lra.
- intros t T. apply continuity_pt_filterlim, (ex_derive_continuous f). eexists; apply D, T.
- rewrite E. pose proof (C t T). apply Rmult_le_compat_r; lra.
Qed.

Lemma grows_strictly (f f' : R -> R) u v : u < v -> (forall t, u <= t <= v -> is_derive f t (f' t)) -> (forall t, u <= t <= v -> 0 < f' t) ->
  f u < f v.
Proof.
intros L D C. destruct (MVT_gen f u v f') as [t [T E]]; rewrite ?Rmin_left, ?Rmax_right in * by lra.
- intros; apply D; lra.
- intros t T. apply continuity_pt_filterlim, (ex_derive_continuous f). eexists; apply D, T.
- pose proof (C t T). nra.
Qed.

(* With stop logit x: (1 + e^x) (1 - sigmoid x) = 1. *)
Lemma exp_sigmoid x : (1 + exp x) * (1 - sigmoid x) = 1.
Proof. unfold sigmoid. rewrite exp_Ropp. pose proof (exp_pos x). field. lra. Qed.

Lemma exp_minus_sigmoid x : (1 + exp (- x)) * sigmoid x = 1.
Proof. unfold sigmoid. pose proof (exp_pos (- x)). field. lra. Qed.

(* The two laws of B6-conserved-discount as functions of a logit, and their slopes. law_W takes the logit x of resampling. *)
Definition law_W g x := (2 - g) * x - exp (- x) + (1 - g) * exp x.
Definition law_C x := x + exp x.

Lemma law_W_derive g x : is_derive (law_W g) x ((2 - g) + exp (- x) + (1 - g) * exp x).
Proof. unfold law_W. auto_derive; [trivial|]. ring. Qed.

Lemma law_C_derive x : is_derive law_C x (1 + exp x).
Proof. unfold law_C. auto_derive; [trivial|]. ring. Qed.

(* Its slope times g b (1 - b) is g (1 - g b), b = sigmoid x. *)
Lemma law_W_slope g x : let b := sigmoid x in ((2 - g) + exp (- x) + (1 - g) * exp x) * (b * (1 - b)) = 1 - g * b.
Proof.
intro b. pose proof (exp_sigmoid x) as A. pose proof (exp_minus_sigmoid x) as B. fold b in A, B.
set (e := exp x) in *. set (f := exp (- x)) in *. clearbody e f b.
transitivity (((1 + f) * b) * (1 - b) + (1 - g) * (((1 + e) * (1 - b)) * b)); [ring|]. rewrite A, B. ring.
Qed.

(* Tables of n answers that follow the gradient of the value (by A2-n) exist, from any logits and for all times; any rewards of submitted
   answers, with and without discount. *)
Section Existence.
Variables (n : nat) (Rs : nat -> R) (g : R).
Hypothesis answers : (0 < n)%nat.
Hypothesis discount : 0 <= g <= 1.
Let none (_ : nat) := 0.

(* The speeds of all 2n logits: sampling logits first, stop logits after them. *)
Let pi_of (x : nat -> R) := softmax n x.
Let s_of (x : nat -> R) y := sigmoid (x (n + y)%nat).
Let V_of x := value n (pi_of x) (s_of x) Rs none g.
Let field x i :=
  if Nat.ltb i n then turns n (pi_of x) (s_of x) g * (pi_of x i * (Q_answer (s_of x) Rs none g (V_of x) i - V_of x))
  else turns n (pi_of x) (s_of x) g * (pi_of x (i - n)%nat * (s_of x (i - n)%nat * (1 - s_of x (i - n)%nat)) * (Rs (i - n)%nat - 0 - g * V_of x)).

Lemma stops_below x : let stops := Sum n (fun y => pi_of x y * s_of x y) in let D := 1 - g * again n (pi_of x) (s_of x) in
  0 < stops <= D /\ 1 - g <= D /\ forall y, (y < n)%nat -> 0 <= pi_of x y * s_of x y <= stops.
Proof.
intros stops D. assert (P : forall y, 0 < pi_of x y) by (intro; apply softmax_pos, answers). assert (S : forall y, 0 < s_of x y < 1) by (intro; apply sigmoid_in).
assert (E : again n (pi_of x) (s_of x) = 1 - stops).
{ transitivity (Sum n (softmax n x) - stops); [|rewrite softmax_sum by exact answers; reflexivity].
  unfold again, stops. rewrite <- Sum_minus. apply Sum_ext. intros; unfold pi_of; ring. }
assert (Z : 0 < stops) by (apply Sum_pos; [exact answers | intros y _; apply Rmult_lt_0_compat; [apply P | apply S]]).
assert (Q : 0 <= again n (pi_of x) (s_of x)).
{ apply Sum_nonneg. intros y _. pose proof (P y). pose proof (S y). apply Rmult_le_pos; lra. }
split; [|split].
- unfold D. rewrite E in *. nra.
- unfold D. rewrite E in *. nra.
- assert (T : forall k, (k < n)%nat -> 0 <= pi_of x k * s_of x k) by (intros k _; pose proof (P k); pose proof (S k); apply Rmult_le_pos; lra).
  intros y Hy. split; [apply T, Hy | apply (term_below n (fun y => pi_of x y * s_of x y)); assumption].
Qed.

Lemma field_tame i : (i < n + n)%nat -> tame (n + n) (fun x => field x i).
Proof.
intro Hi. assert (P : forall j, (j < n)%nat -> tame (n + n) (fun x => pi_of x j)).
{ intros j Hj. apply (tame_softmax (n + n) n (fun x => x)); [|exact Hj]. intros k Hk. apply tame_coordinate. lia. }
assert (S : forall j, (j < n)%nat -> tame (n + n) (fun x => s_of x j)) by (intros j Hj; apply tame_sigmoid, tame_coordinate; lia).
assert (C : forall j, (j < n)%nat -> tame (n + n) (fun x => 1 - s_of x j)) by (intros j Hj; apply tame_minus; [apply tame_const | apply S, Hj]).
assert (D : tame (n + n) (fun x => 1 - g * again n (pi_of x) (s_of x))).
{ apply tame_minus; [apply tame_const|]. apply tame_mult; [apply tame_const|]. apply (tame_Sum (n + n) n (fun x y => pi_of x y * (1 - s_of x y))).
  intros j Hj. apply tame_mult; [apply P, Hj | apply C, Hj]. }
assert (A : above_zero (n + n) (fun x => 1 - g * again n (pi_of x) (s_of x))).
{ apply above_zero_le with (fun x => Sum n (fun y => pi_of x y * s_of x y)); [intro x; apply stops_below|].
  apply (above_zero_Sum (n + n) n (fun x y => pi_of x y * s_of x y) 0%nat answers).
  - intros x y Hy. apply stops_below, Hy.
  - apply above_zero_mult; [|apply above_zero_sigmoid, tame_coordinate; lia].
    apply (above_zero_softmax (n + n) n (fun x => x) answers); [intros k Hk; apply tame_coordinate; lia | exact answers]. }
assert (N : tame (n + n) (fun x => turns n (pi_of x) (s_of x) g)) by (apply tame_div; [apply tame_const | exact D | exact A]).
assert (V : tame (n + n) V_of).
{ apply tame_div; [|exact D | exact A]. apply (tame_Sum (n + n) n (fun x y => pi_of x y * (s_of x y * Rs y + (1 - s_of x y) * none y))).
  intros j Hj. apply tame_mult; [apply P, Hj|]. apply tame_plus; apply tame_mult; (apply tame_const || apply S, Hj || apply C, Hj). }
unfold field. destruct (Nat.ltb_spec i n) as [L|L].
- apply tame_mult; [exact N|]. apply tame_mult; [apply P, L|]. apply tame_minus; [|exact V]. unfold Q_answer. apply tame_plus.
  + apply tame_mult; [apply S, L | apply tame_const].
  + apply tame_mult; [apply C, L|]. apply tame_plus; [apply tame_const|]. apply tame_mult; [apply tame_const | exact V].
- assert (Hj : (i - n < n)%nat) by lia. apply tame_mult; [exact N|]. apply tame_mult.
  + apply tame_mult; [apply P, Hj|]. apply tame_mult; [apply S, Hj | apply C, Hj].
  + apply tame_minus; [apply tame_const|]. apply tame_mult; [apply tame_const | exact V].
Qed.

Lemma field_bounded x i : (i < n + n)%nat -> Rabs (field x i) <= 3 * Sum n (fun y => Rabs (Rs y)).
Proof.
intro Hi. set (B := Sum n (fun y => Rabs (Rs y))). destruct (stops_below x) as [Z [G T]]. set (stops := Sum n (fun y => pi_of x y * s_of x y)) in *.
assert (P : forall y, 0 < pi_of x y) by (intro; apply softmax_pos, answers). assert (S : forall y, 0 < s_of x y < 1) by (intro; apply sigmoid_in).
assert (PL : forall y, (y < n)%nat -> pi_of x y <= 1).
{ intros y Hy. rewrite <- (softmax_sum n answers x). apply (term_below n (softmax n x)); [intros; apply Rlt_le, P | exact Hy]. }
assert (R' : forall y, (y < n)%nat -> Rabs (Rs y) <= B) by (intros y Hy; apply (abs_below n Rs), Hy).
set (D := 1 - g * again n (pi_of x) (s_of x)) in *. assert (D0 : 0 < D) by lra.
assert (F : forall a, 0 <= a <= D -> 0 <= a / D <= 1).
{ intros a A. split; [apply Rdiv_le_0_compat; lra|]. apply Rmult_le_reg_r with D; [exact D0|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra. }
assert (V : Rabs (V_of x) <= B).
{ assert (W : Rabs (turn_reward n (pi_of x) (s_of x) Rs none) <= stops * B).
  { unfold turn_reward. apply Rle_trans with (1 := Sum_abs _ _). unfold stops. rewrite <- Sum_scal_r. apply Sum_le. intros y Hy.
    replace (pi_of x y * (s_of x y * Rs y + (1 - s_of x y) * none y)) with (pi_of x y * s_of x y * Rs y) by (unfold none; ring).
    rewrite Rabs_mult, (Rabs_pos_eq (pi_of x y * s_of x y)) by apply T, Hy. apply Rmult_le_compat_l; [apply T, Hy | apply R', Hy]. }
  unfold V_of, value. fold D. unfold Rdiv. rewrite Rabs_mult, (Rabs_pos_eq (/ D)) by (apply Rlt_le, Rinv_0_lt_compat, D0).
  pose proof (Rabs_pos (turn_reward n (pi_of x) (s_of x) Rs none)) as Q0. pose proof (F stops ltac:(lra)) as [_ F1].
  assert (B0 : 0 <= B) by (apply Sum_nonneg; intros; apply Rabs_pos).
  apply Rle_trans with (stops * B * / D); [apply Rmult_le_compat_r; [apply Rlt_le, Rinv_0_lt_compat, D0 | exact W]|].
  replace (stops * B * / D) with (stops / D * B) by (unfold Rdiv; ring). nra. }
assert (B0 : 0 <= B) by (apply Rle_trans with (2 := V), Rabs_pos).
assert (M : forall a b, 0 <= a <= 1 -> Rabs b <= 2 * B -> Rabs (a * b) <= 2 * B).
{ intros a b A H. rewrite Rabs_mult, (Rabs_pos_eq a) by lra. pose proof (Rabs_pos b). nra. }
unfold field. destruct (Nat.ltb_spec i n) as [L|L].
- replace (turns n (pi_of x) (s_of x) g * (pi_of x i * (Q_answer (s_of x) Rs none g (V_of x) i - V_of x)))
    with (pi_of x i * s_of x i / D * (Rs i - V_of x) - pi_of x i * (1 - s_of x i) * ((1 - g) / D) * V_of x)
    by (unfold turns, Q_answer, none; fold D; field; lra).
  pose proof (F (pi_of x i * s_of x i) ltac:(pose proof (T i L); lra)) as F1. pose proof (F (1 - g) ltac:(lra)) as F2.
  pose proof (R' i L) as RI. pose proof (P i). pose proof (PL i L). pose proof (S i).
  assert (A1 : Rabs (pi_of x i * s_of x i / D * (Rs i - V_of x)) <= 2 * B).
  { apply M; [exact F1|]. pose proof (Rabs_triang (Rs i) (- V_of x)) as Y. rewrite Rabs_Ropp in Y. unfold Rminus. lra. }
  assert (A2 : Rabs (pi_of x i * (1 - s_of x i) * ((1 - g) / D) * V_of x) <= B).
  { assert (0 <= pi_of x i * (1 - s_of x i) <= 1) by nra. assert (0 <= pi_of x i * (1 - s_of x i) * ((1 - g) / D) <= 1) by nra.
    rewrite Rabs_mult, (Rabs_pos_eq (pi_of x i * (1 - s_of x i) * ((1 - g) / D))) by lra. pose proof (Rabs_pos (V_of x)). nra. }
  pose proof (Rabs_triang (pi_of x i * s_of x i / D * (Rs i - V_of x)) (- (pi_of x i * (1 - s_of x i) * ((1 - g) / D) * V_of x))) as Y.
  rewrite Rabs_Ropp in Y. unfold Rminus at 1. lra.
- set (j := (i - n)%nat). assert (Hj : (j < n)%nat) by (unfold j; lia).
  replace (turns n (pi_of x) (s_of x) g * (pi_of x j * (s_of x j * (1 - s_of x j)) * (Rs j - 0 - g * V_of x)))
    with (pi_of x j * s_of x j / D * (1 - s_of x j) * (Rs j - g * V_of x)) by (unfold turns; fold D; field; lra).
  pose proof (F (pi_of x j * s_of x j) ltac:(pose proof (T j Hj); lra)) as F1. pose proof (S j). pose proof (R' j Hj).
  apply Rle_trans with (2 * B); [|lra]. apply M; [nra|]. pose proof (Rabs_triang (Rs j) (- (g * V_of x))) as Y. rewrite Rabs_Ropp, Rabs_mult in Y.
  rewrite (Rabs_pos_eq g) in Y by lra. pose proof (Rabs_pos (V_of x)). unfold Rminus. nra.
Qed.

Theorem tables_flow z0 tau0 : exists z tau : R -> nat -> R,
  (forall j, (j < n)%nat -> z 0 j = z0 j /\ tau 0 j = tau0 j)
  /\ forall t j, (j < n)%nat -> let pi := softmax n (z t) in let s y := sigmoid (tau t y) in let V := value n pi s Rs (fun _ => 0) g in
     is_derive (fun x => z x j) t (turns n pi s g * (pi j * (Q_answer s Rs (fun _ => 0) g V j - V)))
     /\ is_derive (fun x => tau x j) t (turns n pi s g * (pi j * (s j * (1 - s j)) * (Rs j - 0 - g * V))).
Proof.
destruct (tame_flow (n + n) field _ (fun i => if Nat.ltb i n then z0 i else tau0 (i - n)%nat) field_tame field_bounded) as [x [[Z D] _]].
exists x, (fun t j => x t (n + j)%nat). split.
- intros j Hj. rewrite !Z by lia. destruct (Nat.ltb_spec j n); [|lia]. destruct (Nat.ltb_spec (n + j) n); [lia|].
  split; [reflexivity | f_equal; lia].
- intros t j Hj. split.
  + evar_last; [apply D; lia|]. unfold field. destruct (Nat.ltb_spec j n); [reflexivity | lia].
  + evar_last; [apply D; lia|]. unfold field. destruct (Nat.ltb_spec (n + j) n); [lia|]. replace (n + j - n)%nat with j by lia. reflexivity.
Qed.
End Existence.

Section Tables.
(* Tables of n answers along the flow of the value of reward 1 for submitting a right answer; by A2-n these are its derivatives. *)
Variables (n : nat) (right : nat -> bool) (g : R).
Notation reward := (ind right).
Definition sampling_speed (pi s : nat -> R) j :=
  let V := value n pi s reward (fun _ => 0) g in turns n pi s g * (pi j * (Q_answer s reward (fun _ => 0) g V j - V)).
Definition decision_speed (pi s : nat -> R) j :=
  let V := value n pi s reward (fun _ => 0) g in turns n pi s g * (pi j * (s j * (1 - s j)) * (reward j - 0 - g * V)).

Variables z tau : R -> nat -> R.
Let pi t := softmax n (z t).
Let s t y := sigmoid (tau t y).

(* At a wrong answer, with x = - tau_j the logit of resampling: (2 - g) x - e^(-x) + (1 - g) e^x + g z_j does not change. *)
Theorem wrong_conserved j : right j = false ->
  (forall t, is_derive (fun u => z u j) t (sampling_speed (pi t) (s t) j)) ->
  (forall t, is_derive (fun u => tau u j) t (decision_speed (pi t) (s t) j)) ->
  forall t u, law_W g (- tau t j) + g * z t j = law_W g (- tau u j) + g * z u j.
Proof.
intros W Dz Dt.
assert (D : forall t, is_derive (fun u => law_W g (- tau u j) + g * z u j) t 0).
{ intro t. evar_last.
  - apply (sum_derive (fun u => law_W g (- tau u j)) (fun u => g * z u j)); [|apply is_derive_scal, Dz].
    apply (is_derive_comp (law_W g) (fun u => - tau u j)); [apply law_W_derive|]. apply (is_derive_opp (fun u => tau u j)), Dt.
  - unfold scal, opp; simpl; unfold mult; simpl. unfold sampling_speed, decision_speed, Q_answer, ind. rewrite W.
    pose proof (law_W_slope g (- tau t j)) as L. cbv zeta in L.
    assert (B : sigmoid (- tau t j) = 1 - s t j).
    { unfold s. pose proof (exp_minus_sigmoid (- tau t j)) as X. rewrite Ropp_involutive in X. pose proof (exp_sigmoid (tau t j)).
      pose proof (exp_pos (tau t j)). apply Rmult_eq_reg_l with (1 + exp (tau t j)); lra. }
    rewrite B in L. set (E := (2 - g) + exp (- - tau t j) + (1 - g) * exp (- tau t j)) in *. set (a := s t j) in *.
    set (V := value _ _ _ _ _ _). set (N := turns _ _ _ _). set (x := pi t j). clearbody E a V N x.
    transitivity (N * x * g * V * (E * ((1 - a) * (1 - (1 - a))) - (1 - g * (1 - a)))); [ring | rewrite L; ring]. }
assert (C : forall t u, t < u -> law_W g (- tau t j) + g * z t j = law_W g (- tau u j) + g * z u j)
  by (intros t u L; apply (eq_is_derive (fun u => law_W g (- tau u j) + g * z u j) t u); [intros; apply D | exact L]).
intros t u. destruct (Rtotal_order t u) as [L|[->|L]]; [apply C, L | reflexivity | symmetry; apply C, L].
Qed.

Lemma tables_open t : (exists y, (y < n)%nat /\ right y = true) -> (exists y, (y < n)%nat /\ right y = false) ->
  open_chain n (pi t) (s t) right.
Proof.
intros A B. assert (N : (0 < n)%nat) by (destruct A as [y [Hy _]]; lia).
split; [apply softmax_sum, N|]. split; [intros; apply softmax_pos, N|]. split; [intros; apply sigmoid_in|]. split; assumption.
Qed.

(* At a right answer tau_j + e^tau_j - z_j grows at the speed N pi_j (1 - g) V: strictly if there is a discount. *)
Theorem right_increases j : (j < n)%nat -> right j = true -> (exists y, (y < n)%nat /\ right y = false) -> 0 <= g < 1 ->
  (forall t, is_derive (fun u => z u j) t (sampling_speed (pi t) (s t) j)) ->
  (forall t, is_derive (fun u => tau u j) t (decision_speed (pi t) (s t) j)) ->
  forall t u, t < u -> law_C (tau t j) - z t j < law_C (tau u j) - z u j.
Proof.
intros Hj W Wrong G Dz Dt t u L.
apply (grows_strictly (fun u => law_C (tau u j) - z u j)
  (fun t => turns n (pi t) (s t) g * pi t j * (1 - g) * value n (pi t) (s t) reward (fun _ => 0) g)); [exact L | |].
- intros v _. evar_last.
  + apply (is_derive_minus (fun u => law_C (tau u j)) (fun u => z u j)); [|apply Dz].
    apply (is_derive_comp law_C (fun u => tau u j)); [apply law_C_derive | apply Dt].
  + unfold minus, plus, scal, opp; simpl; unfold mult; simpl. unfold sampling_speed, decision_speed, Q_answer, ind. rewrite W.
    pose proof (exp_sigmoid (tau v j)) as X. fold (s v j) in X. set (e := exp (tau v j)) in *. set (a := s v j) in *.
    set (V := value _ _ _ _ _ _). set (N := turns _ _ _ _). set (x := pi v j). clearbody e a V N x.
    transitivity (N * x * (a * (1 - g * V) * ((1 + e) * (1 - a)) - (a * 1 + (1 - a) * (0 + g * V) - V))); [ring | rewrite X; ring].
- intros v _. pose proof (tables_open v ltac:(exists j; split; assumption) Wrong) as O.
  pose proof (terminal_value_in n (pi v) (s v) right g O ltac:(lra)) as V.
  assert (N : 0 < turns n (pi v) (s v) g).
  { pose proof (discounted_in n (pi v) (s v) g (open_policy _ _ _ _ O) (open_ends _ _ _ _ g O ltac:(lra))).
    unfold turns. apply Rdiv_lt_0_compat; lra. }
  destruct O as [_ [P _]]. pose proof (P j Hj). apply Rmult_lt_0_compat; [|lra]. apply Rmult_lt_0_compat; [|lra]. apply Rmult_lt_0_compat; lra.
Qed.
End Tables.

(* Such tables, from any logits. *)
Definition tables_ascend n right g (z0 tau0 : nat -> R) (z tau : R -> nat -> R) := forall j, (j < n)%nat ->
  z 0 j = z0 j /\ tau 0 j = tau0 j
  /\ (forall t, is_derive (fun u => z u j) t (sampling_speed n right g (softmax n (z t)) (fun y => sigmoid (tau t y)) j))
  /\ forall t, is_derive (fun u => tau u j) t (decision_speed n right g (softmax n (z t)) (fun y => sigmoid (tau t y)) j).

Lemma tables_ascend_exist n right g z0 tau0 : (0 < n)%nat -> 0 <= g <= 1 -> exists z tau, tables_ascend n right g z0 tau0 z tau.
Proof.
intros N G. destruct (tables_flow n (ind right) g N G z0 tau0) as [z [tau [Z D]]]. exists z, tau. intros j Hj. destruct (Z j Hj) as [A B].
split; [exact A|]. split; [exact B|]. split; intro t; apply (D t j Hj).
Qed.

Example wrong_conserved_met n right g z0 tau0 : (0 < n)%nat -> 0 <= g <= 1 -> exists z tau, tables_ascend n right g z0 tau0 z tau
  /\ forall j t u, (j < n)%nat -> right j = false -> law_W g (- tau t j) + g * z t j = law_W g (- tau u j) + g * z u j.
Proof.
intros N G. destruct (tables_ascend_exist n right g z0 tau0 N G) as [z [tau F]]. exists z, tau. split; [exact F|]. intros j t u Hj W.
destruct (F j Hj) as [_ [_ [Dz Dt]]]. apply (wrong_conserved n right g z tau j W Dz Dt).
Qed.

Example right_increases_met g z0 tau0 : 0 <= g < 1 -> exists z tau, tables_ascend 2 (Nat.eqb 0) g z0 tau0 z tau
  /\ forall t u, t < u -> law_C (tau t 0%nat) - z t 0%nat < law_C (tau u 0%nat) - z u 0%nat.
Proof.
intro G. destruct (tables_ascend_exist 2 (Nat.eqb 0) g z0 tau0 ltac:(lia) ltac:(lra)) as [z [tau F]]. exists z, tau. split; [exact F|].
destruct (F 0%nat ltac:(lia)) as [_ [_ [Dz Dt]]].
apply (right_increases 2 (Nat.eqb 0) g z tau 0 ltac:(lia) eq_refl ltac:(exists 1%nat; split; [lia | reflexivity]) G Dz Dt).
Qed.

Lemma open_again_lt n pi s right g : open_chain n pi s right -> 0 <= g <= 1 -> g * again n pi s < 1.
Proof. intros O G. apply discounted_in; [apply open_policy with right, O | apply open_ends with right; assumption]. Qed.

(* No other law takes its place, any number of answers: a function of z_j and tau_j of a right answer that does not change along the flow,
   wherever it starts, is constant. *)
Theorem no_other_law n right g j w (f fz ft : R -> R -> R) : (j < n)%nat -> right j = true -> (w < n)%nat -> right w = false -> 0 < g < 1 ->
  (forall x y, is_derive (fun x => f x y) x (fz x y)) -> (forall x y, is_derive (fun y => f x y) y (ft x y)) ->
  (forall z tau : nat -> R, let pi := softmax n z in let s y := sigmoid (tau y) in
    fz (z j) (tau j) * sampling_speed n right g pi s j + ft (z j) (tau j) * decision_speed n right g pi s j = 0) ->
  forall x y x' y', f x y = f x' y'.
Proof.
intros Hj Rj Hw Rw G Dz Dt H.
assert (Z : forall x y, fz x y = 0 /\ ft x y = 0).
{ intros x y. set (z := fun i : nat => x). set (table u := upd (fun _ : nat => y) w u). set (pi := softmax n z).
  set (s u k := sigmoid (table u k)).
  assert (NJ : j <> w) by (intros ->; congruence).
  assert (TJ : forall u, table u j = y) by (intro; unfold table, upd; destruct (Nat.eq_dec j w); [contradiction | reflexivity]).
  assert (O : forall u, open_chain n pi (s u) right).
  { intro u. apply (tables_open n right (fun _ => z) (fun _ => table u) 0); [exists j; split; assumption | exists w; split; assumption]. }
  set (V u := value n pi (s u) (ind right) (fun _ => 0) g).
  assert (E : forall u, fz x y * (sigmoid y * (1 - g * V u) - (1 - g) * V u) + ft x y * (sigmoid y * (1 - sigmoid y) * (1 - g * V u)) = 0).
  { intro u. pose proof (H z (table u)) as X. cbv zeta in X. rewrite TJ in X. unfold z at 1 3 in X. fold (s u) in X. fold pi in X.
    unfold sampling_speed, decision_speed, Q_answer in X. fold (V u) in X. unfold ind in X. rewrite Rj in X.
    replace (s u j) with (sigmoid y) in X by (unfold s; rewrite TJ; reflexivity).
    assert (N : 0 < turns n pi (s u) g * pi j).
    { pose proof (discounted_in n pi (s u) g (open_policy _ _ _ _ (O u)) (open_ends _ _ _ _ g (O u) ltac:(lra))).
      destruct (O u) as [_ [P _]]. apply Rmult_lt_0_compat; [apply Rdiv_lt_0_compat; lra | apply P, Hj]. }
    apply Rmult_eq_reg_l with (turns n pi (s u) g * pi j); [|lra]. rewrite Rmult_0_r, <- X. ring. }
  assert (NV : V 0 <> V 1).
  { assert (C : forall u, V u = stop_right n pi (s 0) right / (1 - g * again n pi (s u))).
    { intro u. unfold V, value. rewrite reward_stops. f_equal. apply Sum_ext. intros k Hk. unfold s, table, upd.
      destruct (Nat.eq_dec k w) as [->|]; [unfold ind; rewrite Rw; ring | reflexivity]. }
    assert (S1 : sigmoid 0 < sigmoid 1).
    { unfold sigmoid. pose proof (exp_pos (- (1))). pose proof (exp_pos (- 0)). pose proof (exp_increasing (- (1)) (- 0) ltac:(lra)).
      apply Rinv_lt_contravar; [apply Rmult_lt_0_compat; lra | lra]. }
    assert (Q : again n pi (s 1) < again n pi (s 0)).
    { destruct (O 0) as [_ [P _]]. apply (Sum_lt_one n _ _ w Hw).
      - unfold s, table, upd. destruct (Nat.eq_dec w w); [|contradiction]. pose proof (P w Hw). apply Rmult_lt_compat_l; lra.
      - intros k Hk. unfold s, table, upd. pose proof (P k Hk). destruct (Nat.eq_dec k w); [apply Rmult_le_compat_l; lra | lra]. }
    pose proof (open_again_lt n pi (s 0) right g (O 0) ltac:(lra)) as A. pose proof (open_again_lt n pi (s 1) right g (O 1) ltac:(lra)) as B.
    destruct (open_rates n pi (s 0) right (O 0)) as [_ [SR _]]. rewrite !C. set (c := stop_right n pi (s 0) right) in *.
    intro X. assert (Y : c * (1 - g * again n pi (s 1)) = c * (1 - g * again n pi (s 0))).
    { transitivity (c / (1 - g * again n pi (s 0)) * ((1 - g * again n pi (s 0)) * (1 - g * again n pi (s 1)))); [field; lra|].
      rewrite X. field. lra. }
    apply Rmult_eq_reg_l in Y; [|lra]. nra. }
  pose proof (E 0) as E0. pose proof (E 1) as E1. pose proof (sigmoid_in y) as SY.
  set (v := V 0) in *. set (v' := V 1) in *. set (a := sigmoid y) in *. set (p := fz x y) in *. set (q := ft x y) in *. clearbody v v' a p q.
  assert (Kp : p * ((1 - g) * (v' - v)) = 0).
  { transitivity ((p * (a * (1 - g * v) - (1 - g) * v) + q * (a * (1 - a) * (1 - g * v))) * (1 - g * v')
      - (p * (a * (1 - g * v') - (1 - g) * v') + q * (a * (1 - a) * (1 - g * v'))) * (1 - g * v)); [ring | rewrite E0, E1; ring]. }
  assert (P0 : p = 0).
  { apply Rmult_integral in Kp. destruct Kp as [K|K]; [exact K|]. apply Rmult_integral in K. destruct K as [K|K]; [lra|].
    exfalso. apply NV. lra. }
  split; [exact P0|]. rewrite P0 in E0, E1. destruct (Req_dec q 0) as [K|K]; [exact K|]. exfalso. apply NV.
  assert (AA : 0 < a * (1 - a)) by (apply Rmult_lt_0_compat; lra).
  assert (q * (a * (1 - a)) <> 0) as M by (apply Rmult_integral_contrapositive_currified; lra).
  assert (A1 : 1 - g * v = 0) by (apply Rmult_eq_reg_l with (q * (a * (1 - a))); [lra | exact M]).
  assert (A2 : 1 - g * v' = 0) by (apply Rmult_eq_reg_l with (q * (a * (1 - a))); [lra | exact M]).
  apply Rmult_eq_reg_l with g; lra. }
assert (Cx : forall x x' y, f x y = f x' y).
{ assert (C : forall x x' y, x < x' -> f x y = f x' y).
  { intros x x' y L. apply (eq_is_derive (fun x => f x y) x x'); [|exact L]. intros t _. evar_last; [apply Dz|]. apply Z. }
  intros x x' y. destruct (Rtotal_order x x') as [L|[->|L]]; [apply C, L | reflexivity | symmetry; apply C, L]. }
assert (Cy : forall x y y', f x y = f x y').
{ assert (C : forall x y y', y < y' -> f x y = f x y').
  { intros x y y' L. apply (eq_is_derive (fun y => f x y) y y'); [|exact L]. intros t _. evar_last; [apply Dt|]. apply Z. }
  intros x y y'. destruct (Rtotal_order y y') as [L|[->|L]]; [apply C, L | reflexivity | symmetry; apply C, L]. }
intros x y x' y'. rewrite (Cx x x' y). apply Cy.
Qed.

(* Constant functions, and only they, have the rate 0 that it assumes. *)
Example no_other_law_met : let f (_ _ : R) := 1 in let zero (_ _ : R) := 0 in
  (forall z tau : nat -> R, let pi := softmax 2 z in let s y := sigmoid (tau y) in
    zero (z 0%nat) (tau 0%nat) * sampling_speed 2 (Nat.eqb 0) (1 / 2) pi s 0
    + zero (z 0%nat) (tau 0%nat) * decision_speed 2 (Nat.eqb 0) (1 / 2) pi s 0 = 0)
  /\ forall x y x' y', f x y = f x' y'.
Proof.
intros f zero. split; [intros; unfold zero; ring|].
apply (no_other_law 2 (Nat.eqb 0) (1 / 2) 0 1 f zero zero ltac:(lia) eq_refl ltac:(lia) eq_refl ltac:(lra)).
- intros; unfold f, zero. auto_derive; [trivial | reflexivity].
- intros; unfold f, zero. auto_derive; [trivial | reflexivity].
- intros; unfold zero; ring.
Qed.
