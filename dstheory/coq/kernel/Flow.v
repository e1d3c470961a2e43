(* Without discount and cap: what the reward flow keeps, and how the number of turns and the outcome are related. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Policies Chain Accuracy Gradient Ascent.
Open Scope R_scope.

(* B6-conserved, any number of answers, any rewards of submitted answers: along the gradient flow of the value at g = 1 (by A2-n the
   derivatives below, a number N times probability and advantage), stop logit + exp(stop logit) - sampling logit does not change. *)
Theorem conserved n (z tau : R -> nat -> R) Rs (N : R -> R) j : (0 < n)%nat -> (j < n)%nat ->
  let pi t := softmax n (z t) in let s t y := sigmoid (tau t y) in
  let V t := value n (pi t) (s t) Rs (fun _ => 0) 1 in
  (forall t, is_derive (fun x => z x j) t (N t * (pi t j * (Q_answer (s t) Rs (fun _ => 0) 1 (V t) j - V t)))) ->
  (forall t, is_derive (fun x => tau x j) t (N t * (pi t j * (s t j * (1 - s t j)) * (Rs j - 0 - 1 * V t)))) ->
  forall t u, t < u -> tau t j + exp (tau t j) - z t j = tau u j + exp (tau u j) - z u j.
Proof.
intros _ _ pi s V Dz Dt t u L.
apply (eq_is_derive (fun x => tau x j + exp (tau x j) - z x j) t u); [|exact L].
intros x _. evar_last.
- apply (is_derive_minus (fun x => tau x j + exp (tau x j)) (fun x => z x j)); [|apply Dz].
  apply (sum_derive (fun x => tau x j) (fun x => exp (tau x j))); [apply Dt|].
  apply (is_derive_comp exp (fun x => tau x j)); [apply is_derive_Reals, derivable_pt_lim_exp | apply Dt].
- unfold minus, plus, opp, scal, zero; simpl; unfold mult; simpl. unfold Q_answer.
  assert (E : (1 + exp (tau x j)) * (1 - s x j) = 1).
  { unfold s, sigmoid. rewrite exp_Ropp. pose proof (exp_pos (tau x j)). field. lra. }
  set (e := exp (tau x j)) in *. set (a := s x j) in *. set (v := V x). set (p := pi x j). set (r := Rs j). set (m := N x).
  transitivity (m * p * a * (r - v) * ((1 + e) * (1 - a) - 1)); [ring | rewrite E; ring].
Qed.

Example conserved_met n Rs z0 tau0 : (0 < n)%nat -> exists z tau,
  let pi t := softmax n (z t) in let s t y := sigmoid (tau t y) in let V t := value n (pi t) (s t) Rs (fun _ => 0) 1 in
  let N t := turns n (pi t) (s t) 1 in forall j, (j < n)%nat -> z 0 j = z0 j /\ tau 0 j = tau0 j
  /\ (forall t, is_derive (fun x => z x j) t (N t * (pi t j * (Q_answer (s t) Rs (fun _ => 0) 1 (V t) j - V t))))
  /\ (forall t, is_derive (fun x => tau x j) t (N t * (pi t j * (s t j * (1 - s t j)) * (Rs j - 0 - 1 * V t))))
  /\ forall t u, t < u -> tau t j + exp (tau t j) - z t j = tau u j + exp (tau u j) - z u j.
Proof.
intro N. destruct (tables_flow n Rs 1 N ltac:(lra) z0 tau0) as [z [tau [Z D]]]. exists z, tau. intros pi s V turns_at j Hj.
destruct (Z j Hj) as [A B]. split; [exact A|]. split; [exact B|].
assert (Dz : forall t, is_derive (fun x => z x j) t (turns_at t * (pi t j * (Q_answer (s t) Rs (fun _ => 0) 1 (V t) j - V t)))) by (intro; apply D, Hj).
assert (Dt : forall t, is_derive (fun x => tau x j) t (turns_at t * (pi t j * (s t j * (1 - s t j)) * (Rs j - 0 - 1 * V t)))) by (intro; apply D, Hj).
split; [exact Dz|]. split; [exact Dt|]. apply (conserved n z tau Rs turns_at j N Hj Dz Dt).
Qed.

(* B7: without a cap the number of turns is independent of the outcome: P(K = k + 1, right) = P(K = k + 1) Acc, any number of answers. *)
Theorem turns_independent n pi s right k : open_chain n pi s right ->
  again n pi s ^ k * stop_right n pi s right
  = again n pi s ^ k * (stop_right n pi s right + stop_wrong n pi s right) * accuracy n pi s right.
Proof.
intro O. rewrite accuracy_stops by exact O. destruct (open_rates n pi s right O) as [_ [A B]]. field. lra.
Qed.

(* The claims of the package are the instances with two answers. *)
Corollary A2_cap_minimal p a b g k : 0 < p < 1 -> 0 < a < 1 -> 0 < b < 1 -> 0 <= g <= 1 ->
  let q := p * (1 - a) + (1 - p) * b in let x := (g * q) ^ k in
  capped 2 (two p (1 - p)) (two a (1 - b)) (two 1 0) (fun _ => 0) g (two 1 0) k = p * a * (1 - x) / (1 - g * q) + x * p.
Proof.
intros Hp Ha Hb G q x. destruct (two_rates p a b Hp) as [_ [_ [_ E]]]. fold q in E.
assert (Q : 0 < q < 1) by (unfold q; split; nra). assert (D : g * q < 1) by nra.
rewrite capped_closed by (rewrite E; lra). rewrite E. fold x. unfold turn_reward; simpl.
replace (0 + p * (a * 1 + (1 - a) * 0) + (1 - p) * ((1 - b) * 0 + (1 - (1 - b)) * 0)) with (p * a) by ring.
replace (0 + p * 1 + (1 - p) * 0) with p by ring. reflexivity.
Qed.

Corollary A3_cap_minimal p a b k : 0 < p < 1 -> 0 < a < 1 -> 0 < b < 1 -> (0 < k)%nat ->
  let q := p * (1 - a) + (1 - p) * b in let x := q ^ k in (p * a * (1 - x) / (1 - q) + x * p > p <-> a + b > 1).
Proof.
intros Hp Ha Hb K q x. pose proof (reflection_capped_sign 2 _ _ _ k (two_right_open p a b Hp Ha Hb) K) as S.
destruct (two_rates p a b Hp) as [E1 [E2 [E3 _]]]. rewrite E1, E2, E3 in S. rewrite <- S.
pose proof (A2_cap_minimal p a b 1 k Hp Ha Hb ltac:(lra)) as C. cbv zeta in C. fold q in C. rewrite Rmult_1_l in C. fold x in C. rewrite <- C.
unfold accuracy_capped.
assert (X : forall j, capped 2 (two p (1 - p)) (two a (1 - b)) (ind (Nat.eqb 0)) (fun _ => 0) 1 (ind (Nat.eqb 0)) j
  = capped 2 (two p (1 - p)) (two a (1 - b)) (two 1 0) (fun _ => 0) 1 (two 1 0) j).
{ induction j as [|j I]; cbn [capped]; [unfold ind; simpl; ring|]. rewrite I. unfold Q_answer, ind; simpl. ring. }
rewrite X. reflexivity.
Qed.
