(* Gradient norms of the two stages: a criterion for any number of answers, and where they agree in the minimal chain. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums Policies Chain Accuracy Gradient.
Open Scope R_scope.

(* Any number of answers, any rewards: with tables of logits the squared norms of both stages' gradients are N^2 times the sums of squared
   probabilities times advantages; which is the larger does not depend on N. *)
Theorem norms_compared n z tau Rs Rr g : (0 < n)%nat -> 0 <= g <= 1 ->
  let pi := softmax n z in let s y := sigmoid (tau y) in let V := value n pi s Rs Rr g in
  let A := Sum n (fun j => (pi j * (Q_answer s Rs Rr g V j - V)) ^ 2) in
  let B := Sum n (fun j => (pi j * (s j * (1 - s j) * (Rs j - Rr j - g * V))) ^ 2) in
  exists gs gd,
  (forall j, (j < n)%nat -> is_derive (fun x => value n (softmax n (upd z j x)) s Rs Rr g) (z j) (gs j)
    /\ is_derive (fun x => value n pi (fun y => sigmoid (upd tau j x y)) Rs Rr g) (tau j) (gd j))
  /\ (Sum n (fun j => gs j ^ 2) = Sum n (fun j => gd j ^ 2) <-> A = B)
  /\ (Sum n (fun j => gs j ^ 2) < Sum n (fun j => gd j ^ 2) <-> A < B).
Proof.
intros Hn G pi s V A B.
exists (fun j => turns n pi s g * (pi j * (Q_answer s Rs Rr g V j - V))),
  (fun j => turns n pi s g * (pi j * (s j * (1 - s j)) * (Rs j - Rr j - g * V))). split.
{ intros j Hj. split; [apply sampling_gradient | apply decision_gradient]; assumption. }
assert (N : 0 < turns n pi s g).
{ pose proof (table_discounted n z tau g Hn G) as D. unfold turns. apply Rdiv_lt_0_compat; [lra|]. fold pi s in D. lra. }
assert (NN : 0 < turns n pi s g ^ 2) by (apply pow_lt, N). set (N2 := turns n pi s g ^ 2) in *.
rewrite (Sum_ext n (fun j => (turns n pi s g * (pi j * (Q_answer s Rs Rr g V j - V))) ^ 2)
  (fun j => N2 * (pi j * (Q_answer s Rs Rr g V j - V)) ^ 2)) by (intros; unfold N2; ring).
rewrite (Sum_ext n (fun j => (turns n pi s g * (pi j * (s j * (1 - s j)) * (Rs j - Rr j - g * V))) ^ 2)
  (fun j => N2 * (pi j * (s j * (1 - s j) * (Rs j - Rr j - g * V))) ^ 2)) by (intros; unfold N2; ring).
rewrite !Sum_scal. fold A B. clearbody N2 A B. split; split; intro; nra.
Qed.

(* The minimal chain with reward 1 for submitting the right answer: its value in the logits of P(right), of stopping at the right answer
   and of resampling at the wrong one, and its three derivatives. *)
Definition V3 g ts tC tW :=
  value 2 (two (sigmoid ts) (1 - sigmoid ts)) (two (sigmoid tC) (1 - sigmoid tW)) (ind (Nat.eqb 0)) (fun _ => 0) g.
Definition D3 g p a b := 1 - g * (p * (1 - a) + (1 - p) * b).
Definition v_s g p a b := a * p * (1 - p) * (1 - g * b) / D3 g p a b ^ 2.
Definition v_C g p a b := a * p * (1 - a) * (1 - g * (p + (1 - p) * b)) / D3 g p a b ^ 2.
Definition v_W g p a b := g * a * p * (1 - p) * b * (1 - b) / D3 g p a b ^ 2.

Lemma V3_closed g ts tC tW : V3 g ts tC tW = sigmoid ts * sigmoid tC / D3 g (sigmoid ts) (sigmoid tC) (sigmoid tW).
Proof. unfold V3, D3, value, turn_reward, again, ind; simpl. unfold Rdiv. f_equal; [ring|]. f_equal. ring. Qed.

Lemma D3_pos g p a b : 0 <= g <= 1 -> 0 < p < 1 -> 0 < a < 1 -> 0 < b < 1 -> p * a <= D3 g p a b /\ 0 < D3 g p a b <= 1.
Proof.
intros G P A B. unfold D3. set (q := p * (1 - a) + (1 - p) * b).
assert (0 < p * a) by (apply Rmult_lt_0_compat; lra). assert (0 < (1 - p) * (1 - b)) by (apply Rmult_lt_0_compat; lra).
assert (0 < p * (1 - a)) by (apply Rmult_lt_0_compat; lra). assert (0 < (1 - p) * b) by (apply Rmult_lt_0_compat; lra).
assert (0 < q <= 1 - p * a) by (unfold q; lra). nra.
Qed.

Theorem minimal_gradient g ts tC tW : 0 <= g <= 1 -> let p := sigmoid ts in let a := sigmoid tC in let b := sigmoid tW in
  is_derive (fun x => V3 g x tC tW) ts (v_s g p a b) /\ is_derive (fun x => V3 g ts x tW) tC (v_C g p a b)
  /\ is_derive (fun x => V3 g ts tC x) tW (v_W g p a b).
Proof.
intros G p a b. pose proof (sigmoid_in ts) as Hp. pose proof (sigmoid_in tC) as Ha. pose proof (sigmoid_in tW) as Hb. fold p a b in Hp, Ha, Hb.
destruct (D3_pos g p a b G Hp Ha Hb) as [_ [D _]].
split; [|split]; (eapply is_derive_ext; [intro; symmetry; apply V3_closed|]); fold p; fold a; fold b; evar_last.
- apply (is_derive_comp (fun x => x * a / D3 g x a b) sigmoid ts (a * (1 - g * b) / D3 g p a b ^ 2) (p * (1 - p)));
    [fold p; unfold D3 in *; auto_derive; [lra|]; field; lra | apply sigmoid_derive].
- unfold scal; simpl; unfold mult; simpl. unfold v_s. field. lra.
- apply (is_derive_comp (fun x => p * x / D3 g p x b) sigmoid tC (p * (1 - g * (p + (1 - p) * b)) / D3 g p a b ^ 2) (a * (1 - a)));
    [fold a; unfold D3 in *; auto_derive; [lra|]; field; lra | apply sigmoid_derive].
- unfold scal; simpl; unfold mult; simpl. unfold v_C. field. lra.
- apply (is_derive_comp (fun x => p * a / D3 g p a x) sigmoid tW (p * a * (g * (1 - p)) / D3 g p a b ^ 2) (b * (1 - b)));
    [fold b; unfold D3 in *; auto_derive; [lra|]; field; lra | apply sigmoid_derive].
- unfold scal; simpl; unfold mult; simpl. unfold v_W. field. lra.
Qed.

(* B2: the norms compare as u^2 and v^2 + w^2 do. *)
Definition side_u g p b := (1 - p) * (1 - g * b).
Definition side_v g p a b := (1 - a) * (1 - g * (p + (1 - p) * b)).
Definition side_w g p b := g * (1 - p) * b * (1 - b).

Theorem norms_minimal g p a b : 0 <= g <= 1 -> 0 < p < 1 -> 0 < a < 1 -> 0 < b < 1 ->
  let S := side_u g p b ^ 2 in let D := side_v g p a b ^ 2 + side_w g p b ^ 2 in
  (v_s g p a b ^ 2 = v_C g p a b ^ 2 + v_W g p a b ^ 2 <-> S = D) /\ (v_s g p a b ^ 2 < v_C g p a b ^ 2 + v_W g p a b ^ 2 <-> S < D).
Proof.
intros G P A B S D. destruct (D3_pos g p a b G P A B) as [_ [X _]].
assert (K : 0 < (a * p / D3 g p a b ^ 2) ^ 2).
{ apply pow_lt, Rdiv_lt_0_compat; [apply Rmult_lt_0_compat; lra | apply pow_lt, X]. }
assert (E : v_s g p a b ^ 2 = (a * p / D3 g p a b ^ 2) ^ 2 * S) by (unfold v_s, S, side_u; field; lra).
assert (F : v_C g p a b ^ 2 + v_W g p a b ^ 2 = (a * p / D3 g p a b ^ 2) ^ 2 * D) by (unfold v_C, v_W, D, side_v, side_w; field; lra).
rewrite E, F. set (k := (a * p / D3 g p a b ^ 2) ^ 2) in *. clearbody k S D. split; split; intro; nra.
Qed.

(* B2: for all p, b and gamma they agree at exactly one a; decisions have the larger gradient below it, sampling above it. *)
Theorem equal_norms_once g p b : 0 <= g <= 1 -> 0 < p < 1 -> 0 < b < 1 ->
  exists a, 0 < a < 1 /\ forall x, 0 < x < 1 ->
  (side_u g p b ^ 2 = side_v g p x b ^ 2 + side_w g p b ^ 2 <-> x = a)
  /\ (side_u g p b ^ 2 < side_v g p x b ^ 2 + side_w g p b ^ 2 <-> x < a)
  /\ (side_v g p x b ^ 2 + side_w g p b ^ 2 < side_u g p b ^ 2 <-> a < x).
Proof.
intros G P B. set (u := side_u g p b). set (w := side_w g p b). set (k := 1 - g * (p + (1 - p) * b)).
assert (V : forall x, side_v g p x b = (1 - x) * k) by reflexivity.
assert (GB : 0 <= g * b < 1) by nra.
assert (HB : g * b <= b) by nra.
assert (W : 0 <= w < u).
{ unfold w, u, side_w, side_u. split; [repeat apply Rmult_le_pos; lra|].
  replace (g * (1 - p) * b * (1 - b)) with ((1 - p) * (g * b * (1 - b))) by ring. apply Rmult_lt_compat_l; [lra|]. nra. }
assert (K : 0 < k /\ (u < k \/ (u = k /\ 0 < w))).
{ assert (E : k - u = p * (1 - g)) by (unfold k, u, side_u; ring). split; [unfold k; assert (p + (1 - p) * b < 1) by nra; nra|].
  destruct (Req_dec g 1) as [->|N].
  - right. split; [lra|]. unfold w, side_w. repeat apply Rmult_lt_0_compat; lra.
  - left. assert (0 < p * (1 - g)) by (apply Rmult_lt_0_compat; lra). lra. }
destruct K as [K0 K]. set (r := sqrt (u ^ 2 - w ^ 2)).
assert (R2 : r * r = u ^ 2 - w ^ 2) by (apply sqrt_sqrt; nra).
assert (R0 : 0 < r) by (apply sqrt_lt_R0; nra).
assert (RK : r < k) by (destruct K as [K|[K W0]]; nra).
assert (KK : r / k * k = r) by (field; lra).
exists (1 - r / k). assert (RA : 0 < r / k < 1) by (split; [apply Rdiv_lt_0_compat; lra | apply Rmult_lt_reg_r with k; lra]).
split; [lra|]. intros x X. rewrite V. replace (u ^ 2) with (r * r + w ^ 2) by lra. set (c := r / k) in *. rewrite <- KK. clearbody c w u k r.
assert (M : forall y z, 0 < y -> 0 < z -> (y ^ 2 < z ^ 2 <-> y < z)) by (intros y z Y Z; split; intro; nra).
assert (C : c * k * (c * k) = (c * k) ^ 2) by ring. rewrite C.
assert (CK : 0 < c * k) by (apply Rmult_lt_0_compat; lra). assert (XK : 0 < (1 - x) * k) by (apply Rmult_lt_0_compat; lra).
pose proof (M (c * k) ((1 - x) * k) CK XK) as [M1 M2]. pose proof (M ((1 - x) * k) (c * k) XK CK) as [M3 M4].
split; [|split]; split; intro H.
- destruct (Rtotal_order (c * k) ((1 - x) * k)) as [L|[L|L]]; [specialize (M2 L); lra | | specialize (M4 L); lra].
  apply Rmult_eq_reg_r in L; lra.
- rewrite H. ring.
- assert (L : c * k < (1 - x) * k) by (apply M1; lra). apply Rmult_lt_reg_r in L; lra.
- assert (L : c * k < (1 - x) * k) by (apply Rmult_lt_compat_r; lra). specialize (M2 L). lra.
- assert (L : (1 - x) * k < c * k) by (apply M3; lra). apply Rmult_lt_reg_r in L; lra.
- assert (L : (1 - x) * k < c * k) by (apply Rmult_lt_compat_r; lra). specialize (M4 L). lra.
Qed.

(* B2 without discount: one cylinder, whatever p. *)
Theorem equal_norms_undiscounted p a b : 0 < p < 1 -> 0 < b < 1 ->
  (side_u 1 p b ^ 2 = side_v 1 p a b ^ 2 + side_w 1 p b ^ 2 <-> (1 - a) ^ 2 + b ^ 2 = 1).
Proof.
intros P B. assert (K : 0 < ((1 - p) * (1 - b)) ^ 2) by (apply pow_lt, Rmult_lt_0_compat; lra).
assert (E : side_v 1 p a b ^ 2 + side_w 1 p b ^ 2 - side_u 1 p b ^ 2 = ((1 - p) * (1 - b)) ^ 2 * ((1 - a) ^ 2 + b ^ 2 - 1))
  by (unfold side_u, side_v, side_w; ring).
set (k := ((1 - p) * (1 - b)) ^ 2) in *. clearbody k. split; intro; nra.
Qed.
