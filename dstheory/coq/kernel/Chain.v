(* The chain: n answers with probabilities pi, P(stop | answer y) = s y, rewards Rs of stopping and Rr of resampling, discount g
   per turn. A discount per stage, gw between answer and decision and gb after it, is this chain with rewards gw Rs, gw Rr and
   g = gw gb (value_stagewise). *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia.
From Kernel Require Import Sums.
Open Scope R_scope.

(* Limits of sums and of linear recursions. *)
Lemma sum_limit n (f : nat -> nat -> R) (l : nat -> R) : (forall i, (i < n)%nat -> is_lim_seq (f i) (l i)) ->
  is_lim_seq (fun K => Sum n (fun i => f i K)) (Sum n l).
Proof.
induction n as [|n I]; intro H; simpl; [apply is_lim_seq_const|]. apply is_lim_seq_plus'; [apply I; intros; apply H; lia | apply H; lia].
Qed.

Lemma recursion_limit (x e : nat -> R) (q l : R) : 0 <= q < 1 -> (forall K, x (S K) = e K + q * x K) -> is_lim_seq e l ->
  is_lim_seq x (l / (1 - q)).
Proof.
intros Q X E. apply is_lim_seq_spec. intro eps. apply is_lim_seq_spec in E.
assert (D : 0 < eps / 2 * (1 - q)) by (pose proof (cond_pos eps); apply Rmult_lt_0_compat; lra).
destruct (E (mkposreal _ D)) as [N H]. simpl in H. set (L := l / (1 - q)). assert (LE : l = L * (1 - q)) by (unfold L; field; lra).
assert (B : forall j, Rabs (x (N + j)%nat - L) <= q ^ j * Rabs (x N - L) + eps / 2).
{ induction j as [|j J]; [rewrite Nat.add_0_r; simpl; pose proof (cond_pos eps); lra|].
  replace (N + S j)%nat with (S (N + j)) by lia. rewrite X.
  replace (e (N + j)%nat + q * x (N + j)%nat - L) with ((e (N + j)%nat - l) + q * (x (N + j)%nat - L)) by (rewrite LE; ring).
  eapply Rle_trans; [apply Rabs_triang|]. rewrite Rabs_mult, (Rabs_pos_eq q) by lra. pose proof (H (N + j)%nat ltac:(lia)) as G.
  simpl pow. pose proof (Rmult_le_compat_l q _ _ (proj1 Q) J). lra. }
assert (G : is_lim_seq (fun j => q ^ j * Rabs (x N - L)) (0 * Rabs (x N - L)))
  by (apply is_lim_seq_mult'; [apply is_lim_seq_geom; rewrite Rabs_pos_eq; lra | apply is_lim_seq_const]).
rewrite Rmult_0_l in G. apply is_lim_seq_spec in G. destruct (G (pos_div_2 eps)) as [M HM]. exists (N + M)%nat. intros K HK.
pose proof (HM (K - N)%nat ltac:(lia)) as Y. simpl in Y. pose proof (B (K - N)%nat) as Z. replace (N + (K - N))%nat with K in Z by lia.
rewrite Rminus_0_r in Y. pose proof (Rle_abs (q ^ (K - N) * Rabs (x N - L))). pose proof (cond_pos eps). lra.
Qed.

(* Mean reward of a turn, and the probability q that it resamples. *)
Definition turn_reward n (pi s Rs Rr : nat -> R) := Sum n (fun y => pi y * (s y * Rs y + (1 - s y) * Rr y)).
Definition again n (pi s : nat -> R) := Sum n (fun y => pi y * (1 - s y)).

(* Value of having answered y, if V is what a new turn is worth. *)
Definition Q_answer (s Rs Rr : nat -> R) g V y := s y * Rs y + (1 - s y) * (Rr y + g * V).

(* The Bellman equation, the endless chain's value and number of turns, and the value with k decisions before the last answer is
   submitted for Rl (a cap at T turns is k = T - 1). *)
Definition bellman n pi s Rs Rr g V := V = Sum n (fun y => pi y * Q_answer s Rs Rr g V y).
Definition value n pi s Rs Rr g := turn_reward n pi s Rs Rr / (1 - g * again n pi s).
Definition turns n pi s g := 1 / (1 - g * again n pi s).
Fixpoint capped n pi s Rs Rr g (Rl : nat -> R) k :=
  match k with
  | O => Sum n (fun y => pi y * Rl y)
  | S k => Sum n (fun y => pi y * Q_answer s Rs Rr g (capped n pi s Rs Rr g Rl k) y)
  end.

(* Probabilities, and an episode that ends or is discounted. *)
Definition policy n (pi s : nat -> R) :=
  Sum n pi = 1 /\ (forall y, (y < n)%nat -> 0 <= pi y) /\ (forall y, (y < n)%nat -> 0 <= s y <= 1).
Definition ends n (pi s : nat -> R) g := 0 <= g < 1 \/ (g = 1 /\ exists y, (y < n)%nat /\ 0 < pi y /\ 0 < s y).

Lemma turn_sum n pi s Rs Rr g V :
  Sum n (fun y => pi y * Q_answer s Rs Rr g V y) = turn_reward n pi s Rs Rr + g * again n pi s * V.
Proof.
unfold turn_reward, again, Q_answer.
rewrite (Sum_ext n _ (fun y => pi y * (s y * Rs y + (1 - s y) * Rr y) + (pi y * (1 - s y)) * (g * V))) by (intros; ring).
rewrite Sum_plus, Sum_scal_r. ring.
Qed.

Lemma again_in n pi s : policy n pi s -> 0 <= again n pi s <= 1.
Proof.
intros [H [P S]]. unfold again. apply mean_between; [exact H | exact P |].
intros y Hy. pose proof (S y Hy). lra.
Qed.

Lemma again_lt_1 n pi s y : policy n pi s -> (y < n)%nat -> 0 < pi y -> 0 < s y -> again n pi s < 1.
Proof.
intros [H [P S]] Hy Py Sy. unfold again. rewrite <- H.
apply (Sum_lt_one n _ _ y Hy); [nra|]. intros i Hi. pose proof (P i Hi). pose proof (S i Hi). nra.
Qed.

Lemma discounted_in n pi s g : policy n pi s -> ends n pi s g -> 0 <= g * again n pi s < 1.
Proof.
intros P [G|[-> [y [Hy [Py Sy]]]]]; pose proof (again_in n pi s P).
- nra.
- pose proof (again_lt_1 n pi s y P Hy Py Sy). lra.
Qed.

(* A2, any number of answers and any rewards. The Bellman equation has exactly one solution, the value. *)
Theorem bellman_unique n pi s Rs Rr g V : policy n pi s -> ends n pi s g ->
  (bellman n pi s Rs Rr g V <-> V = value n pi s Rs Rr g).
Proof.
intros P E. pose proof (discounted_in n pi s g P E) as D. unfold bellman, value. rewrite turn_sum. split; intro H.
- field_simplify_eq; [|lra]. lra.
- rewrite H. field. lra.
Qed.

(* The value is the series of the turns' rewards: turn k is reached with probability q^k and discounted by g^k. *)
Theorem value_series n pi s Rs Rr g : policy n pi s -> ends n pi s g ->
  is_series (fun k => turn_reward n pi s Rs Rr * (g * again n pi s) ^ k) (value n pi s Rs Rr g).
Proof.
intros P E. pose proof (discounted_in n pi s g P E) as D. unfold value, Rdiv.
apply (is_series_scal_l (turn_reward n pi s Rs Rr) (fun k => (g * again n pi s) ^ k)).
apply is_series_geom. rewrite Rabs_pos_eq; lra.
Qed.

(* A2: N = 1/(1 - g q) is the discounted number of turns. *)
Theorem turns_series n pi s g : policy n pi s -> ends n pi s g ->
  is_series (fun k => (g * again n pi s) ^ k) (turns n pi s g).
Proof.
intros P E. pose proof (discounted_in n pi s g P E) as D. unfold turns, Rdiv. rewrite Rmult_1_l.
apply is_series_geom. rewrite Rabs_pos_eq; lra.
Qed.

(* A2-cap, any number of answers, any rewards, any number of turns: V_T = r (1 - x)/(1 - g q) + x p, x = (g q)^(T-1). *)
Theorem capped_closed n pi s Rs Rr g Rl k : g * again n pi s <> 1 ->
  let x := (g * again n pi s) ^ k in
  capped n pi s Rs Rr g Rl k
  = turn_reward n pi s Rs Rr * (1 - x) / (1 - g * again n pi s) + x * Sum n (fun y => pi y * Rl y).
Proof.
intro H. induction k as [|k I]; cbv zeta in *; simpl capped; [simpl; field; lra|].
rewrite turn_sum, I. simpl pow. field. lra.
Qed.

(* With the cap the value tends to that of the endless chain. *)
Theorem capped_limit n pi s Rs Rr g Rl : policy n pi s -> ends n pi s g ->
  is_lim_seq (capped n pi s Rs Rr g Rl) (value n pi s Rs Rr g).
Proof.
intros P E. pose proof (discounted_in n pi s g P E) as D. set (L := Sum n (fun y => pi y * Rl y)).
apply is_lim_seq_ext with (fun k => value n pi s Rs Rr g + (g * again n pi s) ^ k * (L - value n pi s Rs Rr g)).
- intro k. rewrite capped_closed by lra. cbv zeta. fold L. unfold value. field. lra.
- replace (Finite (value n pi s Rs Rr g)) with (Finite (value n pi s Rs Rr g + 0 * (L - value n pi s Rs Rr g)))
    by (f_equal; ring).
  apply is_lim_seq_plus'; [apply is_lim_seq_const|].
  apply is_lim_seq_mult'; [apply is_lim_seq_geom; rewrite Rabs_pos_eq; lra | apply is_lim_seq_const].
Qed.

(* A discount per stage is a discount per turn and rewards that are discounted once. *)
Theorem value_stagewise n pi s Rs Rr gw gb V : policy n pi s -> ends n pi s (gw * gb) ->
  (V = Sum n (fun y => pi y * (gw * (s y * Rs y + (1 - s y) * (Rr y + gb * V))))
   <-> V = value n pi s (fun y => gw * Rs y) (fun y => gw * Rr y) (gw * gb)).
Proof.
intros P E. rewrite <- bellman_unique by assumption. unfold bellman, Q_answer.
rewrite (Sum_ext n (fun y => pi y * (gw * _)) (fun y => pi y * (s y * (gw * Rs y) + (1 - s y) * (gw * Rr y + gw * gb * V))))
  by (intros; ring). reflexivity.
Qed.

(* The minimal chain is the chain of two answers: answer 0 is right, P(stop | 1) = 1 - b. *)
Definition two (x y : R) (i : nat) : R := match i with O => x | _ => y end.

Corollary A2_minimal p a b RSC RRC RSW RRW g V : 0 < p < 1 -> 0 < a < 1 -> 0 < b < 1 -> 0 <= g <= 1 ->
  (V = p * (a * RSC + (1 - a) * (RRC + g * V)) + (1 - p) * ((1 - b) * RSW + b * (RRW + g * V))
   <-> V = (p * (a * RSC + (1 - a) * RRC) + (1 - p) * ((1 - b) * RSW + b * RRW)) / (1 - g * (p * (1 - a) + (1 - p) * b))).
Proof.
intros Hp Ha Hb Hg.
assert (P : policy 2 (two p (1 - p)) (two a (1 - b))).
{ unfold policy; simpl; split; [ring|]. split; intros [|y] _; simpl; lra. }
assert (E : ends 2 (two p (1 - p)) (two a (1 - b)) g).
{ destruct (Req_dec g 1) as [->|]; [right; split; [reflexivity|] | left; lra]. exists 0%nat; simpl; repeat split; lra || lia. }
pose proof (bellman_unique 2 _ _ (two RSC RSW) (two RRC RRW) g V P E) as B.
unfold bellman, value, turn_reward, again, Q_answer in B; simpl in B.
replace (0 + p * (a * RSC + (1 - a) * (RRC + g * V)) + (1 - p) * ((1 - b) * RSW + (1 - (1 - b)) * (RRW + g * V)))
  with (p * (a * RSC + (1 - a) * (RRC + g * V)) + (1 - p) * ((1 - b) * RSW + b * (RRW + g * V))) in B by ring.
replace (0 + p * (a * RSC + (1 - a) * RRC) + (1 - p) * ((1 - b) * RSW + (1 - (1 - b)) * RRW))
  with (p * (a * RSC + (1 - a) * RRC) + (1 - p) * ((1 - b) * RSW + b * RRW)) in B by ring.
replace (0 + p * (1 - a) + (1 - p) * (1 - (1 - b))) with (p * (1 - a) + (1 - p) * b) in B by ring.
exact B.
Qed.
