(* What dividing by the length of a response does to the gradient: GRPO's 1/|o|, with and without a cap, on one prompt and on several. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List.
From Kernel Require Import Sums Policies Chain Accuracy Gradient Trajectories Energy.
Open Scope R_scope.

(* Any number of answers and turns, any differentiable policy, any return F and any weight W of a trajectory (1/|o| for any lengths): the
   update with coefficient (F - mean of F) W is the mean of W times the gradient of the mean of F, plus the gradient of Cov(F, W). *)
Theorem normaliser_gradient n (pi s : R -> nat -> nat -> R) ls lstop lres (F W : trajectory -> R) t T :
  (forall k y, (y < n)%nat -> is_derive (fun x => pi x k y) t (pi t k y * ls k y)) ->
  (forall k y, (y < n)%nat -> is_derive (fun x => s x k y) t (s t k y * lstop k y)) ->
  (forall k y, (y < n)%nat -> s t k y * lstop k y + (1 - s t k y) * lres k y = 0) ->
  let E x G := Ex n (pi x) (s x) T 0 G in
  let Cov x := E x (fun l => F l * W l) - E x F * E x W in
  exists dA dC, is_derive (fun x => E x F) t dA /\ is_derive Cov t dC
  /\ E t (fun l => (F l - E t F) * W l * rule_sum ls lstop lres one one T 0 nil l) = E t W * dA + dC.
Proof.
intros Dp Ds Z E Cov.
assert (D : forall G, is_derive (fun x => E x G) t (E t (fun l => G l * rule_sum ls lstop lres one one T 0 nil l))).
{ intro G. pose proof (policy_gradient n pi s ls lstop lres (fun _ => G) (fun _ => 0) t T Dp Ds Z
    (fun l => is_derive_const (G l) t) 0 nil) as P.
  evar_last; [exact P|]. apply Ex_ext. intro l. unfold whole. simpl. ring. }
eexists; eexists; split; [apply D|]. split.
- unfold Cov. apply (is_derive_minus (fun x => E x (fun l => F l * W l)) (fun x => E x F * E x W)); [apply D|].
  apply product_derive; apply D.
- unfold minus, plus, opp; simpl. set (A := E t F). set (S := rule_sum ls lstop lres one one T 0 nil).
  unfold E at 1. rewrite (Ex_ext n (pi t) (s t) T 0 _ (fun l => F l * W l * S l + - A * (W l * S l))) by (intro; ring).
  rewrite Ex_plus, Ex_scal. fold (E t (fun l => F l * W l * S l)). fold (E t (fun l => W l * S l)). ring.
Qed.

(* The answer that a trajectory submits, its last one. *)
Fixpoint submitted (y : nat) (l : trajectory) : nat := match l with nil => y | (x, _) :: l => submitted x l end.
Definition outcome right (l : trajectory) : R := ind right (submitted 0 l).

Lemma Ex_ext_nonempty n pi s T : forall k F G, (forall x l, F (x :: l) = G (x :: l)) -> Ex n pi s T k F = Ex n pi s T k G.
Proof.
induction T as [|T I]; intros k F G H; simpl; apply Sum_ext; intros y _; rewrite ?H; [reflexivity|].
rewrite (I (S k) _ (fun l => G ((y, false) :: l))) by (intros; apply H). reflexivity.
Qed.

(* Outcome and number of turns together: turn j + 1 is reached with probability q^j, and the cap at T + 1 turns submits unseen. *)
Lemma outcome_turns n pi s right f T : forall k,
  Ex n (fun _ => pi) (fun _ => s) T k (fun l => outcome right l * f (length l))
  = stop_right n pi s right * Sum T (fun j => again n pi s ^ j * f (S j)) + again n pi s ^ T * (P_right n pi right * f (S T)).
Proof.
revert f. induction T as [|T I]; intros f k.
- simpl. unfold P_right, outcome. simpl. rewrite <- Sum_scal_r, Rmult_0_r, Rplus_0_l, Rmult_1_l. apply Sum_ext; intros; ring.
- cbn [Ex]. set (q := again n pi s).
  transitivity (Sum n (fun y => pi y * ind right y * s y * f 1%nat + pi y * (1 - s y) *
    Ex n (fun _ => pi) (fun _ => s) T (S k) (fun l => outcome right l * f (S (length l))))).
  + apply Sum_ext; intros y _. rewrite (Ex_ext_nonempty n _ _ T (S k) (fun l => outcome right ((y, false) :: l) * f (length ((y, false) :: l)))
      (fun l => outcome right l * f (S (length l)))) by reflexivity. unfold outcome at 1. simpl. change (list (nat * bool)) with trajectory. ring.
  + rewrite (I (fun j => f (S j))). rewrite Sum_plus, !Sum_scal_r. fold (stop_right n pi s right). fold (again n pi s). fold q.
    assert (X : Sum (S T) (fun j => q ^ j * f (S j)) = f 1%nat + q * Sum T (fun j => q ^ j * f (S (S j)))).
    { rewrite Sum_first, <- Sum_scal, pow_O, Rmult_1_l. f_equal. apply Sum_ext; intros; simpl; ring. }
    rewrite X. simpl. ring.
Qed.

Lemma turns_alone n pi s f T k : Sum n pi = 1 -> Ex n (fun _ => pi) (fun _ => s) T k (fun l => f (length l))
  = (1 - again n pi s) * Sum T (fun j => again n pi s ^ j * f (S j)) + again n pi s ^ T * f (S T).
Proof.
intro H. pose proof (outcome_turns n pi s (fun _ => true) f T k) as X.
assert (R : stop_right n pi s (fun _ => true) = 1 - again n pi s).
{ unfold again. rewrite <- H at 1. rewrite <- Sum_minus. apply Sum_ext; intros; unfold ind; ring. }
assert (P : P_right n pi (fun _ => true) = 1) by (rewrite <- H; apply Sum_ext; intros; unfold ind; ring).
rewrite R, P, Rmult_1_l in X. rewrite <- X. apply Ex_ext. intro. unfold outcome, ind. ring.
Qed.

(* B7-cap: any number of answers, cap at T + 1 turns. With H = E[1/K], Cov(R, 1/K) = p(1-p)(a+b-1)/(1-q) q^T (H - 1/(T+1)), the
   product of what the cap changes in accuracy and in the mean of 1/K. *)
Theorem covariance_capped n pi s right T : open_chain n pi s right ->
  let E := Ex n (fun _ => pi) (fun _ => s) T 0 in let K l := INR (length l) in let R := outcome right in
  let p := P_right n pi right in let d := rate_a n pi s right + rate_b n pi s right - 1 in let q := again n pi s in
  E (fun l => R l * / K l) - E R * E (fun l => / K l) = p * (1 - p) * d / (1 - q) * q ^ T * (E (fun l => / K l) - / INR (S T)).
Proof.
intros O E K R p d q.
assert (Q : q <> 1). { unfold q. rewrite (again_stops n pi s right (proj1 O)). destruct (open_rates n pi s right O) as [_ [A B]]. lra. }
pose proof (reflection_gain n pi s right O) as G. cbv zeta in G. fold p q in G. fold d in G. rewrite <- G.
assert (H : E (fun l => / K l) = (1 - q) * Sum T (fun j => q ^ j * / INR (S j)) + q ^ T * / INR (S T))
  by exact (turns_alone n pi s (fun k => / INR k) T 0 (proj1 O)).
assert (J : E (fun l => R l * / K l)
  = stop_right n pi s right * Sum T (fun j => q ^ j * / INR (S j)) + q ^ T * (p * / INR (S T)))
  by exact (outcome_turns n pi s right (fun k => / INR k) T 0).
assert (L : E R = stop_right n pi s right * Sum T (fun j => q ^ j * 1) + q ^ T * (p * 1)).
{ unfold q, p. rewrite <- (outcome_turns n pi s right (fun _ => 1) T 0). apply Ex_ext. intro. unfold R. ring. }
assert (GS : Sum T (fun j => q ^ j * 1) * (1 - q) = 1 - q ^ T) by (clear; induction T as [|T I]; simpl; [|rewrite Rmult_plus_distr_r, I]; ring).
set (c := stop_right n pi s right) in *. set (f := / INR (S T)) in *.
assert (A : accuracy n pi s right = c / (1 - q)). { unfold accuracy, value. rewrite reward_stops. fold c q. rewrite Rmult_1_l. reflexivity. }
rewrite A. rewrite J, L. set (h := E (fun l => / K l)) in *. set (U := Sum T (fun j => q ^ j * / INR (S j))) in *. set (x := q ^ T) in *.
assert (HU : U = (h - x * f) / (1 - q)) by (rewrite H; field; lra).
assert (HV : Sum T (fun j => q ^ j * 1) = (1 - x) / (1 - q)) by (rewrite <- GS; field; lra).
rewrite HU, HV. field. lra.
Qed.

(* At a cap of two turns this is q p(1-p)(a+b-1)/2. *)
Corollary covariance_two_turns n pi s right : open_chain n pi s right ->
  let E := Ex n (fun _ => pi) (fun _ => s) 1 0 in let K l := INR (length l) in let R := outcome right in
  let p := P_right n pi right in let d := rate_a n pi s right + rate_b n pi s right - 1 in let q := again n pi s in
  E (fun l => R l * / K l) - E R * E (fun l => / K l) = q * p * (1 - p) * d / 2.
Proof.
intros O E K R p d q. pose proof (covariance_capped n pi s right 1 O) as C. cbv zeta in C. fold E R p q in C. fold d in C.
fold K in C. rewrite C. clear C.
assert (Q : q <> 1). { unfold q. rewrite (again_stops n pi s right (proj1 O)). destruct (open_rates n pi s right O) as [_ [A B]]. lra. }
assert (H : E (fun l => / K l) = (1 - q) * Sum 1 (fun j => q ^ j * / INR (S j)) + q ^ 1 * / INR 2)
  by exact (turns_alone n pi s (fun k => / INR k) 1 0 (proj1 O)).
rewrite H. simpl. field. lra.
Qed.

Corollary B7_cap_minimal p a b : 0 < p < 1 -> 0 < a < 1 -> 0 < b < 1 ->
  let E := Ex 2 (fun _ => two p (1 - p)) (fun _ => two a (1 - b)) 1 0 in let K l := INR (length l) in let R := outcome (Nat.eqb 0) in
  E (fun l => R l * / K l) - E R * E (fun l => / K l) = (p * (1 - a) + (1 - p) * b) * p * (1 - p) * (a + b - 1) / 2.
Proof.
intros Hp Ha Hb. pose proof (covariance_two_turns 2 _ _ _ (two_right_open p a b Hp Ha Hb)) as C. cbv zeta in *.
destruct (two_rates p a b Hp) as [E1 [E2 [E3 E4]]]. rewrite E1, E2, E3, E4 in C. exact C.
Qed.

(* Without a cap: E[1/K] = (1-q) sum q^k/(k+1) = -(1-q) ln(1-q)/q. *)
Definition mean_inverse q := - (1 - q) * ln (1 - q) / q.

Lemma sum_n_Sum (f : nat -> R) k : sum_n f k = Sum (S k) f.
Proof. induction k as [|k I]; [rewrite sum_O; simpl; ring|]. rewrite sum_Sn, I. unfold plus; simpl. reflexivity. Qed.

Lemma log_series q : 0 < q < 1 -> is_series (fun k => q ^ S k / INR (S k)) (- ln (1 - q)).
Proof.
intro H. set (f k := q ^ S k / INR (S k)).
assert (B : forall k, - ln (1 - q) - q * (q ^ k / (1 - q)) <= Sum k f <= - ln (1 - q)).
{ intro k. set (D x := - ln (1 - x) - Sum k (fun j => x ^ S j / INR (S j))).
  assert (DD : forall x, 0 <= x <= q -> is_derive D x (x ^ k / (1 - x))).
  { intros x Hx. unfold D. evar_last.
    - apply (is_derive_minus (fun x => - ln (1 - x)) (fun x => Sum k (fun j => x ^ S j / INR (S j))) x (1 / (1 - x)) (Sum k (fun j => x ^ j))).
      + auto_derive; [lra|]. field. lra.
      + apply (Sum_derive k (fun x j => x ^ S j / INR (S j)) (fun j => x ^ j)). intros j _.
        pose proof (lt_0_INR (S j) ltac:(lia)) as P. apply is_derive_ext with (fun x => / INR (S j) * x ^ S j); [intro; apply Rmult_comm|].
        evar_last; [apply is_derive_scal, is_derive_pow, is_derive_id|]. cbn [pred]. change (Hierarchy.one : R) with 1. field. lra.
    - unfold minus, plus, opp; simpl.
      assert (G : Sum k (fun j => x ^ j) * (1 - x) = 1 - x ^ k) by (clear; induction k as [|k I]; simpl; [|rewrite Rmult_plus_distr_r, I]; ring).
      replace (Sum k (fun j => x ^ j)) with ((1 - x ^ k) / (1 - x)) by (rewrite <- G; field; lra). field. lra. }
  destruct (MVT_gen D 0 q (fun x => x ^ k / (1 - x))) as [x [Hx E]].
  - rewrite Rmin_left, Rmax_right by lra. intros; apply DD; lra.
  - rewrite Rmin_left, Rmax_right by lra. intros y Hy. apply continuity_pt_filterlim, (ex_derive_continuous D). eexists; apply DD, Hy.
  - rewrite Rmin_left, Rmax_right in Hx by lra.
    assert (D0 : D 0 = 0).
    { unfold D. rewrite Rminus_0_r, ln_1. rewrite Sum_zero; [ring|]. intros j _. rewrite pow_i by lia. unfold Rdiv. ring. }
    assert (DQ : D q = - ln (1 - q) - Sum k f) by reflexivity. rewrite D0, DQ in E.
    assert (X : 0 <= x ^ k / (1 - x) <= q ^ k / (1 - q)).
    { split; [apply Rdiv_le_0_compat; [apply pow_le; lra | lra]|].
      apply Rmult_le_compat; [apply pow_le; lra | apply Rlt_le, Rinv_0_lt_compat; lra | apply pow_incr; lra | apply Rinv_le_contravar; lra]. }
    nra. }
change (is_lim_seq (sum_n f) (- ln (1 - q))). apply (is_lim_seq_ext (fun k => Sum (S k) f) (sum_n f)); [intro; symmetry; apply sum_n_Sum|].
apply (is_lim_seq_le_le (fun k => - ln (1 - q) - q * (q ^ S k / (1 - q))) _ (fun _ => - ln (1 - q))); [intro; apply B | | apply is_lim_seq_const].
replace (Finite (- ln (1 - q))) with (Finite (- ln (1 - q) - q * (0 / (1 - q)))) by (f_equal; field; lra).
apply is_lim_seq_minus'; [apply is_lim_seq_const|]. apply is_lim_seq_mult'; [apply is_lim_seq_const|].
apply is_lim_seq_mult'; [|apply is_lim_seq_const]. apply (is_lim_seq_incr_1 (fun k => q ^ k)), is_lim_seq_geom. rewrite Rabs_pos_eq; lra.
Qed.

Theorem mean_inverse_series q : 0 < q < 1 -> is_series (fun k => (1 - q) * q ^ k / INR (S k)) (mean_inverse q).
Proof.
intro H. apply is_series_ext with (fun k => (1 - q) / q * (q ^ S k / INR (S k))).
- intro k. pose proof (lt_0_INR (S k) ltac:(lia)). match goal with |- ?a = ?b => change (@eq R a b) end. simpl pow. field. lra.
- replace (mean_inverse q) with ((1 - q) / q * - ln (1 - q)) by (unfold mean_inverse; field; lra).
  apply (is_series_scal_l ((1 - q) / q) (fun k => q ^ S k / INR (S k))), log_series, H.
Qed.

Lemma mean_inverse_derive q : 0 < q < 1 -> is_derive mean_inverse q ((ln (1 - q) + q) / q ^ 2).
Proof. intro H. unfold mean_inverse. auto_derive; [lra|]. unfold Rminus. field. lra. Qed.

(* It strictly decreases in q: a prompt on which the policy resamples more counts less. *)
Theorem mean_inverse_decreasing q r : 0 < q -> q < r -> r < 1 -> mean_inverse r < mean_inverse q.
Proof.
intros Q L R1.
assert (D : forall x, q <= x <= r -> is_derive mean_inverse x ((ln (1 - x) + x) / x ^ 2)) by (intros; apply mean_inverse_derive; lra).
assert (N : forall x, q <= x <= r -> (ln (1 - x) + x) / x ^ 2 < 0).
{ intros x Hx. assert (ln (1 - x) <> 0) as M by (rewrite <- ln_1; intro Z; apply ln_inv in Z; lra).
  pose proof (exp_ineq1 (ln (1 - x)) M) as E. rewrite exp_ln in E by lra.
  assert (0 < / x ^ 2) by (apply Rinv_0_lt_compat, pow_lt; lra). unfold Rdiv. nra. }
destruct (MVT_gen mean_inverse q r (fun x => (ln (1 - x) + x) / x ^ 2)) as [x [Hx E]].
- rewrite Rmin_left, Rmax_right by lra. intros; apply D; lra.
- rewrite Rmin_left, Rmax_right by lra. intros y Hy. apply continuity_pt_filterlim, (ex_derive_continuous mean_inverse). eexists; apply D, Hy.
- rewrite Rmin_left, Rmax_right in Hx by lra. pose proof (N x Hx). nra.
Qed.

Lemma mean_inverse_pos q : 0 < q < 1 -> 0 < mean_inverse q.
Proof.
intro H. unfold mean_inverse. assert (ln (1 - q) < 0) by (rewrite <- ln_1; apply ln_increasing; lra).
assert (0 < / q) by (apply Rinv_0_lt_compat; lra). unfold Rdiv. assert (0 < (1 - q) * - ln (1 - q)) by nra. nra.
Qed.

Lemma open_again n pi s right : open_chain n pi s right -> 0 < again n pi s < 1.
Proof. intro O. rewrite (again_stops n pi s right (proj1 O)). destruct (open_rates n pi s right O) as [A [B C]]. lra. Qed.

(* B7, any number of answers, any differentiable policy, no cap: with ER and EI the series of R/K and of 1/K over turns, the update
   ER' - Acc EI' is E[1/K] times the gradient of the accuracy. *)
Theorem normaliser_rescales n (pi s : R -> nat -> R) pi' s' right (ER EI : R -> R) t :
  (forall u, open_chain n (pi u) (s u) right) ->
  (forall y, (y < n)%nat -> is_derive (fun x => pi x y) t (pi' y)) -> (forall y, (y < n)%nat -> is_derive (fun x => s x y) t (s' y)) ->
  (forall u, is_series (fun k => stop_right n (pi u) (s u) right * again n (pi u) (s u) ^ k / INR (S k)) (ER u)) ->
  (forall u, is_series (fun k => (1 - again n (pi u) (s u)) * again n (pi u) (s u) ^ k / INR (S k)) (EI u)) ->
  exists dA dR dI, is_derive (fun u => accuracy n (pi u) (s u) right) t dA /\ is_derive ER t dR /\ is_derive EI t dI
  /\ EI t = mean_inverse (again n (pi t) (s t)) /\ dR - accuracy n (pi t) (s t) right * dI = EI t * dA.
Proof.
intros O Dp Ds HR HI. set (q u := again n (pi u) (s u)). set (A u := accuracy n (pi u) (s u) right).
assert (Q : forall u, 0 < q u < 1) by (intro; apply open_again with right, O).
assert (EI' : forall u, mean_inverse (q u) = EI u).
{ intro u. rewrite <- (is_series_unique _ _ (HI u)). symmetry. apply is_series_unique, mean_inverse_series, Q. }
assert (ER' : forall u, A u * mean_inverse (q u) = ER u).
{ intro u. rewrite <- (is_series_unique _ _ (HR u)). symmetry. apply is_series_unique.
  apply is_series_ext with (fun k => A u * ((1 - q u) * q u ^ k / INR (S k))).
  - intro k. unfold A. rewrite accuracy_stops by apply O. fold (q u). pose proof (Q u). unfold q. rewrite (again_stops n (pi u) (s u) right (proj1 (O u))).
    destruct (open_rates _ _ _ _ (O u)) as [_ [B C]]. pose proof (lt_0_INR (S k) ltac:(lia)). match goal with |- ?a = ?b => change (@eq R a b) end. field. lra.
  - apply (is_series_scal_l (A u) (fun k => (1 - q u) * q u ^ k / INR (S k))), mean_inverse_series, Q. }
assert (DA : exists d, is_derive A t d).
{ eexists. apply value_derive with (pi' := pi') (s' := s'); [pose proof (Q t); unfold q in *; lra | exact Dp | exact Ds]. }
assert (DQ : is_derive q t (Sum n (fun y => pi' y * (1 - s t y) + pi t y * (- s' y)))).
{ apply Sum_derive. intros y Hy. apply (product_derive (fun x => pi x y) (fun x => 1 - s x y)); [apply Dp, Hy | apply complement_derive, Ds, Hy]. }
assert (DI : exists d, is_derive (fun u => mean_inverse (q u)) t d).
{ eexists. apply (is_derive_comp mean_inverse q t ((ln (1 - q t) + q t) / q t ^ 2)); [apply mean_inverse_derive, Q | exact DQ]. }
destruct DA as [dA DA]. destruct DI as [dI DI]. exists dA, (dA * EI t + A t * dI), dI. split; [exact DA|]. split; [|split; [|split]].
- apply is_derive_ext with (fun u => A u * mean_inverse (q u)); [exact ER'|]. rewrite <- EI'.
  apply (product_derive A (fun u => mean_inverse (q u))); assumption.
- apply is_derive_ext with (fun u => mean_inverse (q u)); [exact EI' | exact DI].
- symmetry. apply EI'.
- fold (A t). ring.
Qed.

(* Two answers, one logit for the answer and for stopping. *)
Example normaliser_rescales_met : let z u := two u 0 in let pi u := softmax 2 (z u) in let s u (_ : nat) := sigmoid u in let right := Nat.eqb 0 in
  let q u := again 2 (pi u) (s u) in exists ER EI : R -> R,
  (forall u, is_series (fun k => stop_right 2 (pi u) (s u) right * q u ^ k / INR (S k)) (ER u))
  /\ (forall u, is_series (fun k => (1 - q u) * q u ^ k / INR (S k)) (EI u))
  /\ forall t, exists dA dR dI, is_derive (fun u => accuracy 2 (pi u) (s u) right) t dA /\ is_derive ER t dR /\ is_derive EI t dI
     /\ dR - accuracy 2 (pi t) (s t) right * dI = EI t * dA.
Proof.
intros z pi s right q.
assert (O : forall u, open_chain 2 (pi u) (s u) right).
{ intro u. split; [apply softmax_sum; lia|]. split; [intros; apply softmax_pos; lia|]. split; [intros; apply sigmoid_in|].
  split; [exists 0%nat | exists 1%nat]; split; (lia || reflexivity). }
assert (Q : forall u, 0 < q u < 1) by (intro u; apply (open_again 2 (pi u) (s u) right (O u))).
exists (fun u => accuracy 2 (pi u) (s u) right * mean_inverse (q u)), (fun u => mean_inverse (q u)).
assert (HI : forall u, is_series (fun k => (1 - q u) * q u ^ k / INR (S k)) (mean_inverse (q u))) by (intro; apply mean_inverse_series, Q).
assert (HR : forall u, is_series (fun k => stop_right 2 (pi u) (s u) right * q u ^ k / INR (S k)) (accuracy 2 (pi u) (s u) right * mean_inverse (q u))).
{ intro u. apply is_series_ext with (fun k => accuracy 2 (pi u) (s u) right * ((1 - q u) * q u ^ k / INR (S k))).
  - intro k. rewrite accuracy_stops by apply O. pose proof (Q u). unfold q. rewrite (again_stops 2 (pi u) (s u) right (proj1 (O u))).
    destruct (open_rates _ _ _ _ (O u)) as [_ [B C]]. pose proof (lt_0_INR (S k) ltac:(lia)). match goal with |- ?a = ?b => change (@eq R a b) end. field. lra.
  - apply (is_series_scal_l (accuracy 2 (pi u) (s u) right) (fun k => (1 - q u) * q u ^ k / INR (S k))), HI. }
split; [exact HR|]. split; [exact HI|]. intro t.
assert (Dz : forall k, (k < 2)%nat -> is_derive (fun x => z x k) t (two 1 0 k)) by (intros [|k] _; simpl; [apply @is_derive_id | apply @is_derive_const]).
destruct (normaliser_rescales 2 pi s (fun y => softmax 2 (z t) y * score 2 (two 1 0) (softmax 2 (z t)) y) (fun _ => sigmoid t * (1 - sigmoid t)) right _ _ t O
  ltac:(intros y Hy; apply (softmax_derive 2 ltac:(lia) z (two 1 0) t y Hy Dz)) ltac:(intros y _; apply sigmoid_derive) HR HI)
  as [dA [dR [dI [A [B [C [_ E]]]]]]].
exists dA, dR, dI. split; [exact A|]. split; [exact B|]. split; [exact C | exact E].
Qed.

(* B7-prompts, any number of prompts with chains of any numbers of answers: 1/|o| weighs the gradient of prompt x by E[1/K | x], and
   the sum keeps its direction for all gradients of the prompts exactly if all prompts resample alike. g x i: coordinate i of prompt x. *)
Theorem direction_kept_iff X rho q m : (forall x, (x < X)%nat -> 0 < rho x) -> (forall x, (x < X)%nat -> 0 < q x < 1) -> (2 <= m)%nat ->
  ((forall g : nat -> nat -> R, exists c, 0 < c /\ forall i, (i < m)%nat ->
      Sum X (fun x => rho x * mean_inverse (q x) * g x i) = c * Sum X (fun x => rho x * g x i))
   <-> forall x y, (x < X)%nat -> (y < X)%nat -> q x = q y).
Proof.
intros P Q M. split.
- intros H x y Hx Hy. destruct (Nat.eq_dec x y) as [->|N]; [reflexivity|].
  destruct (H (fun z i => delta z x * delta i 0 + delta z y * delta i 1)) as [c [_ E]].
  assert (S0 : forall f, Sum X (fun z => f z * (delta z x * delta 0 0 + delta z y * delta 0 1)) = f x).
  { intro f. rewrite (Sum_ext X _ (fun z => f z * delta z x)); [apply Sum_delta, Hx|]. intros; rewrite delta_same, (delta_other 0 1) by lia. ring. }
  assert (S1 : forall f, Sum X (fun z => f z * (delta z x * delta 1 0 + delta z y * delta 1 1)) = f y).
  { intro f. rewrite (Sum_ext X _ (fun z => f z * delta z y)); [apply Sum_delta, Hy|]. intros; rewrite delta_same, (delta_other 1 0) by lia. ring. }
  pose proof (E 0%nat ltac:(lia)) as A. pose proof (E 1%nat ltac:(lia)) as B. cbv beta in A, B. rewrite !S0 in A. rewrite !S1 in B.
  pose proof (P x Hx). pose proof (P y Hy). assert (EQ : mean_inverse (q x) = mean_inverse (q y)) by (apply Rmult_eq_reg_l with (rho x * rho y); nra).
  pose proof (Q x Hx). pose proof (Q y Hy). destruct (Rtotal_order (q x) (q y)) as [L|[L|L]]; [|exact L|].
  + pose proof (mean_inverse_decreasing (q x) (q y) ltac:(lra) L ltac:(lra)). lra.
  + pose proof (mean_inverse_decreasing (q y) (q x) ltac:(lra) L ltac:(lra)). lra.
- intros H g. destruct X as [|X]; [exists 1; split; [lra | intros; simpl; ring]|]. exists (mean_inverse (q 0%nat)).
  split; [apply mean_inverse_pos, Q; lia|]. intros i _. rewrite <- Sum_scal. apply Sum_ext. intros x Hx. rewrite (H x 0%nat) by lia. ring.
Qed.
