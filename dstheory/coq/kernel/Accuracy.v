(* Final accuracy, for any number of answers and any set of right ones: lumping, reflection, the odds law. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Chain.
Open Scope R_scope.

(* 1 for right answers, 0 for the others. *)
Definition ind (right : nat -> bool) (y : nat) : R := if right y then 1 else 0.

(* p = P(right), and the probabilities that a turn stops at a right and at a wrong answer. *)
Definition P_right n pi right := Sum n (fun y => pi y * ind right y).
Definition stop_right n pi s right := Sum n (fun y => pi y * ind right y * s y).
Definition stop_wrong n pi s right := Sum n (fun y => pi y * (1 - ind right y) * s y).

(* a = P(stop | right), b = P(resample | wrong), over the answers of a turn. *)
Definition rate_a n pi s right := stop_right n pi s right / P_right n pi right.
Definition rate_b n pi s right := 1 - stop_wrong n pi s right / (1 - P_right n pi right).

(* The accuracy of what is submitted: the undiscounted value of reward 1 for stopping at a right answer; with a cap too. *)
Definition accuracy n pi s right := value n pi s (ind right) (fun _ => 0) 1.
Definition accuracy_capped n pi s right k := capped n pi s (ind right) (fun _ => 0) 1 (ind right) k.

(* All probabilities strictly between 0 and 1; there are right and wrong answers. *)
Definition open_chain n (pi s : nat -> R) right :=
  Sum n pi = 1 /\ (forall y, (y < n)%nat -> 0 < pi y) /\ (forall y, (y < n)%nat -> 0 < s y < 1)
  /\ (exists y, (y < n)%nat /\ right y = true) /\ (exists y, (y < n)%nat /\ right y = false).

Lemma ind_in right y : 0 <= ind right y <= 1.
Proof. unfold ind; destruct (right y); lra. Qed.

Lemma open_policy n pi s right : open_chain n pi s right -> policy n pi s.
Proof.
intros [H [P [S _]]]; split; [exact H|]. split; intros y Hy; [apply Rlt_le, P, Hy | pose proof (S y Hy); lra].
Qed.

Lemma open_ends n pi s right g : open_chain n pi s right -> 0 <= g <= 1 -> ends n pi s g.
Proof.
intros [H [P [S [[y [Hy _]] _]]]] G. destruct (Req_dec g 1) as [->|]; [right; split; [reflexivity|] | left; lra].
exists y; repeat split; [exact Hy | apply P, Hy | apply S, Hy].
Qed.

Lemma open_rates n pi s right : open_chain n pi s right ->
  0 < P_right n pi right < 1 /\ 0 < stop_right n pi s right < P_right n pi right
  /\ 0 < stop_wrong n pi s right < 1 - P_right n pi right.
Proof.
intros [H [P [S [[c [Hc Rc]] [w [Hw Rw]]]]]].
assert (IC : ind right c = 1) by (unfold ind; rewrite Rc; reflexivity).
assert (IW : ind right w = 0) by (unfold ind; rewrite Rw; reflexivity).
pose proof (P c Hc). pose proof (P w Hw). pose proof (S c Hc). pose proof (S w Hw).
assert (N : forall y, (y < n)%nat -> 0 <= pi y * ind right y /\ 0 <= pi y * (1 - ind right y)).
{ intros y Hy. pose proof (P y Hy). pose proof (ind_in right y). split; apply Rmult_le_pos; lra. }
assert (W : 1 - P_right n pi right = Sum n (fun y => pi y * (1 - ind right y))).
{ rewrite <- H at 1. unfold P_right. rewrite <- Sum_minus. apply Sum_ext; intros; ring. }
assert (A : 0 < P_right n pi right).
{ apply (Sum_pos_one n _ c Hc); [rewrite IC; lra | apply N]. }
assert (B : 0 < 1 - P_right n pi right).
{ rewrite W. apply (Sum_pos_one n _ w Hw); [rewrite IW; lra | apply N]. }
split; [lra|]. rewrite W. unfold stop_right, stop_wrong, P_right. repeat split.
- apply (Sum_pos_one n _ c Hc); [rewrite IC; nra|]. intros y Hy. pose proof (S y Hy). apply Rmult_le_pos; [apply N, Hy | lra].
- apply (Sum_lt_one n _ _ c Hc); [rewrite IC; nra|]. intros y Hy. pose proof (S y Hy). destruct (N y Hy). nra.
- apply (Sum_pos_one n _ w Hw); [rewrite IW; nra|]. intros y Hy. pose proof (S y Hy). apply Rmult_le_pos; [apply N, Hy | lra].
- apply (Sum_lt_one n _ _ w Hw); [rewrite IW; nra|]. intros y Hy. pose proof (S y Hy). destruct (N y Hy). nra.
Qed.

Lemma rates_in n pi s right : open_chain n pi s right -> 0 < rate_a n pi s right < 1 /\ 0 < rate_b n pi s right < 1.
Proof.
intro O. destruct (open_rates n pi s right O) as [A [B C]]. unfold rate_a, rate_b.
assert (I : 0 < / P_right n pi right) by (apply Rinv_0_lt_compat; lra).
assert (J : 0 < / (1 - P_right n pi right)) by (apply Rinv_0_lt_compat; lra).
assert (K : P_right n pi right * / P_right n pi right = 1) by (field; lra).
assert (L : (1 - P_right n pi right) * / (1 - P_right n pi right) = 1) by (field; lra).
unfold Rdiv. repeat split; nra.
Qed.

Lemma again_stops n pi s right : Sum n pi = 1 -> again n pi s = 1 - (stop_right n pi s right + stop_wrong n pi s right).
Proof.
intro H. rewrite <- H at 1. unfold again, stop_right, stop_wrong. rewrite <- Sum_plus, <- Sum_minus. apply Sum_ext; intros; ring.
Qed.

Lemma reward_stops n pi s right : turn_reward n pi s (ind right) (fun _ => 0) = stop_right n pi s right.
Proof. apply Sum_ext; intros; ring. Qed.

(* Lumping. A chain of any number of answers has the value and the resample probability of the minimal chain with its p, a, b,
   at any discount: what is said of Acc, V and q in the minimal chain holds for every chain, with these rates. *)
Theorem lumping n pi s right g : open_chain n pi s right ->
  let p := P_right n pi right in let a := rate_a n pi s right in let b := rate_b n pi s right in
  again n pi s = p * (1 - a) + (1 - p) * b
  /\ value n pi s (ind right) (fun _ => 0) g = p * a / (1 - g * (p * (1 - a) + (1 - p) * b)).
Proof.
intros O p a b. destruct (open_rates n pi s right O) as [A _].
assert (E : again n pi s = p * (1 - a) + (1 - p) * b).
{ destruct O as [H _]. rewrite (again_stops n pi s right H). unfold a, b, rate_a, rate_b, p. field. lra. }
split; [exact E|]. unfold value. rewrite reward_stops, E.
replace (p * a) with (stop_right n pi s right) by (unfold a, rate_a, p; field; lra). reflexivity.
Qed.

Lemma accuracy_stops n pi s right : open_chain n pi s right ->
  accuracy n pi s right = stop_right n pi s right / (stop_right n pi s right + stop_wrong n pi s right).
Proof.
intros [H _]. unfold accuracy, value. rewrite reward_stops, (again_stops n pi s right H). f_equal. ring.
Qed.

(* A3, any number of answers: Acc - p = p (1 - p)(a + b - 1)/(1 - q). *)
Theorem reflection_gain n pi s right : open_chain n pi s right ->
  let p := P_right n pi right in
  accuracy n pi s right - p
  = p * (1 - p) * (rate_a n pi s right + rate_b n pi s right - 1) / (1 - again n pi s).
Proof.
intros O p. rewrite accuracy_stops by exact O. destruct (open_rates n pi s right O) as [A [B C]]. destruct O as [H _].
rewrite (again_stops n pi s right H). unfold rate_a, rate_b. fold p in A, B, C |- *. field. lra.
Qed.

(* A3, any number of answers: reflection helps exactly when a + b > 1, is useless exactly when a + b = 1, else harms. *)
Theorem reflection_sign n pi s right : open_chain n pi s right ->
  let p := P_right n pi right in let d := rate_a n pi s right + rate_b n pi s right in
  (accuracy n pi s right > p <-> d > 1) /\ (accuracy n pi s right = p <-> d = 1) /\ (accuracy n pi s right < p <-> d < 1).
Proof.
intros O p d. pose proof (reflection_gain n pi s right O) as G. cbv zeta in G. fold p d in G.
destruct (open_rates n pi s right O) as [A [B C]]. fold p in A, B, C. destruct O as [H _].
rewrite (again_stops n pi s right H) in G.
assert (K : 0 < p * (1 - p) / (1 - (1 - (stop_right n pi s right + stop_wrong n pi s right)))).
{ apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat|]; lra. }
unfold Rdiv in *. set (k := / (1 - (1 - (stop_right n pi s right + stop_wrong n pi s right)))) in *. clearbody k d p.
repeat split; intro; nra.
Qed.

(* A3-cap, any number of answers and turns: a cap at k + 1 turns keeps the fraction 1 - q^k of the gain, *)
Theorem reflection_capped n pi s right k : open_chain n pi s right ->
  let p := P_right n pi right in
  accuracy_capped n pi s right k - p = (1 - again n pi s ^ k) * (accuracy n pi s right - p).
Proof.
intros O p. destruct (open_rates n pi s right O) as [A [B C]]. pose proof (again_stops n pi s right (proj1 O)) as E.
unfold accuracy_capped. rewrite capped_closed by lra. cbv zeta. fold (P_right n pi right).
unfold accuracy, value. rewrite !Rmult_1_l. fold p. field. lra.
Qed.

(* and so its sign. *)
Theorem reflection_capped_sign n pi s right k : open_chain n pi s right -> (0 < k)%nat ->
  (accuracy_capped n pi s right k > P_right n pi right <-> rate_a n pi s right + rate_b n pi s right > 1).
Proof.
intros O Hk. pose proof (reflection_capped n pi s right k O) as G. pose proof (reflection_sign n pi s right O) as [S _].
cbv zeta in *. rewrite <- S. destruct (open_rates n pi s right O) as [A [B C]].
pose proof (again_stops n pi s right (proj1 O)) as E. pose proof (again_in n pi s (open_policy n pi s right O)) as Q.
assert (0 <= again n pi s ^ k < 1).
{ split; [apply pow_le; lra|]. destruct k; [lia|]. apply pow_lt_1_compat; [lra | lia]. }
split; intro; nra.
Qed.

(* A5, any number of answers: the odds of a right submission are p/(1-p) times the likelihood ratio a/(1-b). *)
Theorem odds_law n pi s right : open_chain n pi s right ->
  let p := P_right n pi right in
  accuracy n pi s right / (1 - accuracy n pi s right)
  = p / (1 - p) * (rate_a n pi s right / (1 - rate_b n pi s right)).
Proof.
intros O p. rewrite accuracy_stops by exact O. destruct (open_rates n pi s right O) as [A [B C]].
unfold rate_a, rate_b. fold p in A, B, C |- *. field. lra.
Qed.

(* A5: the accuracy is the series over turns of q^k P(stop at a right answer). *)
Theorem accuracy_series n pi s right : open_chain n pi s right ->
  is_series (fun k => stop_right n pi s right * again n pi s ^ k)
    (stop_right n pi s right / (stop_right n pi s right + stop_wrong n pi s right)).
Proof.
intro O. rewrite <- accuracy_stops by exact O.
apply is_series_ext with (fun k => turn_reward n pi s (ind right) (fun _ => 0) * (1 * again n pi s) ^ k).
- intro k. rewrite reward_stops, Rmult_1_l. reflexivity.
- apply value_series; [apply open_policy with right, O | apply open_ends with right; [exact O | lra]].
Qed.

(* A4, any number of answers: stopping at right answers more often and at wrong ones less often, one of them strictly, raises
   the accuracy; so does probability that goes from wrong answers to right ones, since these are what it does to both. *)
Theorem accuracy_increasing n pi s pi' s' right : open_chain n pi s right -> open_chain n pi' s' right ->
  stop_right n pi s right <= stop_right n pi' s' right -> stop_wrong n pi' s' right <= stop_wrong n pi s right ->
  stop_right n pi s right < stop_right n pi' s' right \/ stop_wrong n pi' s' right < stop_wrong n pi s right ->
  accuracy n pi s right < accuracy n pi' s' right.
Proof.
intros O O' U D X. rewrite !accuracy_stops by assumption.
destruct (open_rates n pi s right O) as [_ [[B _] [C _]]]. destruct (open_rates n pi' s' right O') as [_ [[B' _] [C' _]]].
set (c := stop_right n pi s right) in *; set (w := stop_wrong n pi s right) in *.
set (c' := stop_right n pi' s' right) in *; set (w' := stop_wrong n pi' s' right) in *. clearbody c w c' w'.
assert (E : c' / (c' + w') - c / (c + w) = (c' * w - c * w') / ((c' + w') * (c + w))) by (field; lra).
assert (0 < (c' * w - c * w') / ((c' + w') * (c + w))).
{ apply Rdiv_lt_0_compat; [|apply Rmult_lt_0_compat; lra]. destruct X; nra. }
lra.
Qed.

(* A4 in the rates: strictly increasing in each of p, a, b on the open cube (by lumping, for every chain). *)
Theorem accuracy_rates_increasing p a b p' a' b' :
  0 < p <= p' -> p' < 1 -> 0 < a <= a' -> a' < 1 -> 0 < b <= b' -> b' < 1 -> p < p' \/ a < a' \/ b < b' ->
  p * a / (1 - (p * (1 - a) + (1 - p) * b)) < p' * a' / (1 - (p' * (1 - a') + (1 - p') * b')).
Proof.
intros Hp Hp' Ha Ha' Hb Hb' X.
replace (1 - (p * (1 - a) + (1 - p) * b)) with (p * a + (1 - p) * (1 - b)) by ring.
replace (1 - (p' * (1 - a') + (1 - p') * b')) with (p' * a' + (1 - p') * (1 - b')) by ring.
assert (C : 0 < p * a) by nra. assert (C' : 0 < p' * a') by nra.
assert (W : 0 < (1 - p) * (1 - b)) by nra. assert (W' : 0 < (1 - p') * (1 - b')) by nra.
assert (CC : p * a <= p' * a') by nra. assert (WW : (1 - p') * (1 - b') <= (1 - p) * (1 - b)) by nra.
assert (X' : p * a < p' * a' \/ (1 - p') * (1 - b') < (1 - p) * (1 - b)).
{ destruct X as [X|[X|X]]; [left|left|right]; nra. }
set (c := p * a) in *; set (c' := p' * a') in *; set (w := (1 - p) * (1 - b)) in *; set (w' := (1 - p') * (1 - b')) in *.
clearbody c c' w w'. clear - C C' W W' CC WW X'.
assert (E : c' / (c' + w') - c / (c + w) = (c' * w - c * w') / ((c' + w') * (c + w))) by (field; lra).
assert (0 < (c' * w - c * w') / ((c' + w') * (c + w))).
{ apply Rdiv_lt_0_compat; [|apply Rmult_lt_0_compat; lra]. destruct X'; nra. }
lra.
Qed.

(* A6. The self-correction chain that keeps a right answer with probability CL and corrects a wrong one with probability CS. *)
Fixpoint corrected CL CS x t := match t with O => x | S t => CL * corrected CL CS x t + CS * (1 - corrected CL CS x t) end.

(* Its accuracy after t rounds is U - (CL - CS)^t (U - Acc_0), U = CS/(1 - CL + CS); *)
Theorem corrected_closed CL CS x t : 1 - CL + CS <> 0 ->
  let U := CS / (1 - CL + CS) in corrected CL CS x t = U - (CL - CS) ^ t * (U - x).
Proof.
intros H U. induction t as [|t I]; simpl; [ring|]. rewrite I. unfold U. field. exact H.
Qed.

(* with the rates of a round of this chain, CL = a + (1-a) p and CS = b p, it agrees after one round and not after two. *)
Theorem corrected_rounds p a b : let q := p * (1 - a) + (1 - p) * b in
  let x := corrected (a + (1 - a) * p) (b * p) p in
  x 1%nat = p * a + q * p
  /\ x 2%nat - (p * a + q * (p * a + q * p)) = p * (1 - p) * (b * (1 - b) - a * (1 - a)).
Proof. simpl; split; ring. Qed.

(* Its limit has the odds p/(1-p) b/(1-a), and is this chain's accuracy only if a = b or a + b = 1. *)
Theorem corrected_limit p a b : 0 < p < 1 -> 0 < a < 1 -> 0 < b < 1 ->
  let CL := a + (1 - a) * p in let CS := b * p in let U := CS / (1 - CL + CS) in
  let Acc := p * a / (1 - (p * (1 - a) + (1 - p) * b)) in
  is_lim_seq (corrected CL CS p) U /\ U / (1 - U) = p / (1 - p) * (b / (1 - a)) /\ (U = Acc <-> a = b \/ a + b = 1).
Proof.
intros Hp Ha Hb CL CS U Acc.
assert (A0 : 0 < (1 - a) * (1 - p)) by (apply Rmult_lt_0_compat; lra).
assert (B0 : 0 < b * p) by (apply Rmult_lt_0_compat; lra).
assert (C0 : 0 < a * p) by (apply Rmult_lt_0_compat; lra).
assert (W0 : 0 < (1 - b) * (1 - p)) by (apply Rmult_lt_0_compat; lra).
assert (D : 0 < 1 - CL + CS) by (unfold CL, CS; lra).
assert (H : 1 - CL = (1 - a) * (1 - p)) by (unfold CL; ring).
split; [|split].
- apply is_lim_seq_ext with (fun t => U - (CL - CS) ^ t * (U - p)).
  + intro t. rewrite corrected_closed by lra. reflexivity.
  + replace (Finite U) with (Finite (U - 0 * (U - p))) by (f_equal; ring).
    apply is_lim_seq_minus'; [apply is_lim_seq_const|].
    apply is_lim_seq_mult'; [apply is_lim_seq_geom; unfold CL, CS; apply Rabs_def1; nra | apply is_lim_seq_const].
- unfold U. rewrite H. unfold CS. field. lra.
- assert (E : U - Acc = p * (1 - p) * ((b - a) * (1 - a - b)) / ((1 - CL + CS) * (a * p + (1 - b) * (1 - p)))).
  { unfold U, Acc. rewrite H. unfold CS. field. lra. }
  assert (K : 0 < p * (1 - p) / ((1 - CL + CS) * (a * p + (1 - b) * (1 - p)))).
  { apply Rdiv_lt_0_compat; apply Rmult_lt_0_compat; lra. }
  unfold Rdiv in E, K. set (k := / ((1 - CL + CS) * (a * p + (1 - b) * (1 - p)))) in *. clearbody k U Acc.
  assert (F : U - Acc = p * (1 - p) * k * ((b - a) * (1 - a - b))) by (rewrite E; ring).
  split; intro X.
  + assert ((b - a) * (1 - a - b) = 0) as Y by nra. apply Rmult_integral in Y. destruct Y; [left|right]; lra.
  + assert ((b - a) * (1 - a - b) = 0) as Y by (destruct X; nra). rewrite Y in F. lra.
Qed.

Lemma two_right_open p a b : 0 < p < 1 -> 0 < a < 1 -> 0 < b < 1 -> open_chain 2 (two p (1 - p)) (two a (1 - b)) (Nat.eqb 0).
Proof.
intros Hp Ha Hb. split; [simpl; ring|]. split; [intros [|y] _; simpl; lra|]. split; [intros [|y] _; simpl; lra|].
split; [exists 0%nat | exists 1%nat]; split; [lia | reflexivity | lia | reflexivity].
Qed.

Lemma two_rates p a b : 0 < p < 1 ->
  P_right 2 (two p (1 - p)) (Nat.eqb 0) = p /\ rate_a 2 (two p (1 - p)) (two a (1 - b)) (Nat.eqb 0) = a
  /\ rate_b 2 (two p (1 - p)) (two a (1 - b)) (Nat.eqb 0) = b
  /\ again 2 (two p (1 - p)) (two a (1 - b)) = p * (1 - a) + (1 - p) * b.
Proof.
intro. unfold rate_a, rate_b, stop_right, stop_wrong, P_right, again, ind; simpl. repeat split; field; lra.
Qed.

Lemma two_accuracy p a b :
  accuracy 2 (two p (1 - p)) (two a (1 - b)) (Nat.eqb 0) = p * a / (1 - (p * (1 - a) + (1 - p) * b)).
Proof. unfold accuracy, value, turn_reward, again, ind; simpl. unfold Rdiv. f_equal; [ring|]. f_equal. ring. Qed.

(* The claims of the package are the instances with two answers. *)
Corollary A3_minimal p a b : 0 < p < 1 -> 0 < a < 1 -> 0 < b < 1 ->
  let q := p * (1 - a) + (1 - p) * b in
  p * a / (1 - q) - p = p * (1 - p) * (a + b - 1) / (1 - q) /\ (p * a / (1 - q) > p <-> a + b > 1).
Proof.
intros Hp Ha Hb q. pose proof (two_right_open p a b Hp Ha Hb) as O.
pose proof (reflection_gain 2 _ _ _ O) as G. pose proof (reflection_sign 2 _ _ _ O) as [S _]. cbv zeta in *.
rewrite two_accuracy in *. destruct (two_rates p a b Hp) as [E1 [E2 [E3 E4]]]. rewrite E1, E2, E3, E4 in G. rewrite E1, E2, E3 in S.
split; assumption.
Qed.

Corollary A5_minimal p a b : 0 < p < 1 -> 0 < a < 1 -> 0 < b < 1 ->
  let Acc := p * a / (1 - (p * (1 - a) + (1 - p) * b)) in Acc / (1 - Acc) = p / (1 - p) * (a / (1 - b)).
Proof.
intros Hp Ha Hb. pose proof (odds_law 2 _ _ _ (two_right_open p a b Hp Ha Hb)) as G. cbv zeta in *.
rewrite two_accuracy in *. destruct (two_rates p a b Hp) as [E1 [E2 [E3 _]]]. rewrite E1, E2, E3 in G. exact G.
Qed.
