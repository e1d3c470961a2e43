(* Groups of independent responses to one prompt: what subtracting a mean and dividing by a deviation do to the expected update, for
   groups of any size. A response is one of n outcomes with probabilities p; R i is its reward and S i what its update is made of, a
   component of its score or of its score over its length. A group is the list of its responses' outcomes. *)
From Coquelicot Require Import Coquelicot.
Require Import Reals Lra Psatz Arith Lia List.
From Kernel Require Import Sums.
Open Scope R_scope.

Section Group.
Variables (n : nat) (p : nat -> R).

(* The mean of F over groups of G responses. *)
Fixpoint mean_of_groups (G : nat) (F : list nat -> R) : R :=
  match G with O => F nil | S G => Sum n (fun i => p i * mean_of_groups G (fun l => F (i :: l))) end.
Notation E := mean_of_groups.
Definition mean f := Sum n (fun i => p i * f i).
Fixpoint total (f : nat -> R) (l : list nat) : R := match l with nil => 0 | i :: l => f i + total f l end.

(* The mean over a group of (reward less the mean of all rewards of the group) S, and with the mean of the others' rewards instead. *)
Definition size (l : list nat) := INR (length l).
Definition update (c : list nat -> nat -> R) (f : nat -> R) (l : list nat) := total (fun i => c l i * f i) l / size l.
Definition centred (r : nat -> R) l i := r i - total r l / size l.
Definition of_others (r : nat -> R) l i := r i - (total r l - r i) / (size l - 1).

Lemma E_ext G : forall F F', (forall l, length l = G -> F l = F' l) -> E G F = E G F'.
Proof.
induction G as [|G I]; intros F F' H; simpl; [apply H; reflexivity|]. apply Sum_ext; intros i _. f_equal. apply I. intros l L. apply H. simpl. lia.
Qed.
Lemma E_plus G : forall F F', E G (fun l => F l + F' l) = E G F + E G F'.
Proof.
induction G as [|G I]; intros F F'; simpl; [reflexivity|]. rewrite <- Sum_plus. apply Sum_ext; intros i _.
rewrite (I (fun l => F (i :: l)) (fun l => F' (i :: l))). ring.
Qed.
Lemma E_scal G : forall c F, E G (fun l => c * F l) = c * E G F.
Proof.
induction G as [|G I]; intros c F; simpl; [reflexivity|]. rewrite <- Sum_scal. apply Sum_ext; intros i _.
rewrite (I c (fun l => F (i :: l))). ring.
Qed.

Hypothesis sums : Sum n p = 1.
Lemma E_const G : forall c, E G (fun _ => c) = c.
Proof. induction G as [|G I]; intro c; simpl; [reflexivity|]. rewrite (Sum_ext n _ (fun i => p i * c)) by (intros; rewrite I; ring). rewrite Sum_scal_r, sums. ring. Qed.

Lemma E_total G f : E G (total f) = INR G * mean f.
Proof.
induction G as [|G I]; [simpl; ring|]. rewrite S_INR. simpl.
rewrite (Sum_ext n _ (fun i => p i * f i + p i * (INR G * mean f))) by (intros; rewrite (E_plus G (fun _ => f i)), E_const, I; ring).
rewrite Sum_plus, Sum_scal_r, sums. fold (mean f). ring.
Qed.

Lemma E_totals G r f : E G (fun l => total r l * total f l) = INR G * mean (fun i => r i * f i) + INR G * (INR G - 1) * (mean r * mean f).
Proof.
induction G as [|G I]; [simpl; ring|]. rewrite S_INR. simpl.
rewrite (Sum_ext n _ (fun i => p i * (r i * f i) + ((p i * r i) * (INR G * mean f) + ((p i * f i) * (INR G * mean r)
  + p i * (INR G * mean (fun i => r i * f i) + INR G * (INR G - 1) * (mean r * mean f)))))).
- rewrite !Sum_plus, !Sum_scal_r, sums. fold (mean r) (mean f) (mean (fun i => r i * f i)). ring.
- intros i _. rewrite (E_ext G _ (fun l => r i * f i + (r i * total f l + (f i * total r l + total r l * total f l)))) by (intros; ring).
  rewrite !E_plus, E_const, !E_scal, !E_total, I. ring.
Qed.

Lemma total_minus r c f l : total (fun i => (r i - c) * f i) l = total (fun i => r i * f i) l - c * total f l.
Proof. induction l as [|i l I]; simpl; [ring | rewrite I; ring]. Qed.

(* O4, O6: centred by the mean of the whole group, the update is (G - 1)/G times the covariance of R and S. If S is a score, whose mean
   is zero, that is (G - 1)/G times the gradient E[R S]; if it is a score over a length it is not along the gradient in general. *)
Theorem centred_update G r f : (0 < G)%nat ->
  E G (update (centred r) f) = (INR G - 1) / INR G * (mean (fun i => r i * f i) - mean r * mean f).
Proof.
intro H. apply lt_0_INR in H.
rewrite (E_ext G _ (fun l => / INR G * total (fun i => r i * f i) l + (- / INR G ^ 2) * (total r l * total f l))).
- rewrite E_plus, !E_scal, E_total, E_totals. field. lra.
- intros l L. unfold update, centred, size. rewrite L, total_minus. field. lra.
Qed.

(* O4: with the mean of the others it is the covariance itself, the gradient if S is a score: for any rewards. *)
Theorem others_update G r f : (1 < G)%nat -> E G (update (of_others r) f) = mean (fun i => r i * f i) - mean r * mean f.
Proof.
intro H. apply lt_INR in H. change (INR 1) with 1 in H.
rewrite (E_ext G _ (fun l => INR G / (INR G - 1) * update (centred r) f l)).
- rewrite E_scal, centred_update; [field; lra | apply INR_lt; simpl; lra].
- intros l L. unfold update, of_others, centred, size. rewrite L.
  replace (total (fun i => (r i - (total r l - r i) / (INR G - 1)) * f i) l)
    with (INR G / (INR G - 1) * total (fun i => (r i - total r l / INR G) * f i) l); [field; lra|].
  generalize (total r l). intro t. clear L. induction l as [|i l I]; simpl; [ring|]. rewrite <- I. field. lra.
Qed.

(* O12-baseline: a penalty K that is subtracted after the mean of the group is taken keeps its size, where the reward keeps (G - 1)/G. *)
Theorem penalty_after G r k f beta : (0 < G)%nat -> mean f = 0 ->
  E G (update (fun l i => centred r l i - beta * k i) f)
  = (INR G - 1) / INR G * mean (fun i => r i * f i) - beta * mean (fun i => k i * f i)
  /\ ((1 < G)%nat -> E G (update (fun l i => of_others r l i - beta * k i) f)
     = E G (update (of_others (fun i => r i - beta * k i)) f)).
Proof.
intros H Z.
assert (X : forall c, E G (update (fun l i => c l i - beta * k i) f) = E G (update c f) - beta * mean (fun i => k i * f i)).
{ intro c. pose proof (lt_0_INR G H). rewrite (E_ext G _ (fun l => update c f l + (- beta / INR G) * total (fun i => k i * f i) l)).
  - rewrite E_plus, E_scal, E_total. field. lra.
  - intros l L. unfold update, size. rewrite L. generalize (c l). intro d.
    replace (total (fun i => (d i - beta * k i) * f i) l) with (total (fun i => d i * f i) l - beta * total (fun i => k i * f i) l); [field; lra|].
    clear. induction l as [|i l I]; simpl; [ring|]. rewrite <- I. ring. }
split; [rewrite X, centred_update, Z by exact H; ring|].
intro L. rewrite X, !others_update, Z by exact L. unfold mean.
rewrite (Sum_ext n (fun i => p i * ((r i - beta * k i) * f i)) (fun i => p i * (r i * f i) - beta * (p i * (k i * f i)))) by (intros; ring).
rewrite Sum_minus, Sum_scal. ring.
Qed.

(* 0/1 rewards, and any factor h of the number of right responses (1/std, 0 for groups that agree): the update is one number w times the
   gradient of the success probability, the same for every score, so for both stages and every policy class. *)
Lemma E_right G r f : (forall i, r i = 0 \/ r i = 1) -> forall h, let x := mean r in 0 < x < 1 ->
  E G (fun l => h (total r l) * total (fun i => r i * f i) l) = mean (fun i => r i * f i) / x * E G (fun l => h (total r l) * total r l).
Proof.
intros B h x X. revert h. induction G as [|G I]; intro h; [simpl; ring|]. simpl.
rewrite (Sum_ext n _ (fun i => (p i * (r i * f i)) * E G (fun l => h (1 + total r l))
  + p i * (mean (fun i => r i * f i) / x * E G (fun l => h (r i + total r l) * total r l)))).
- rewrite (Sum_ext n (fun i => p i * E G (fun l => h (r i + total r l) * (r i + total r l)))
    (fun i => (p i * r i) * E G (fun l => h (1 + total r l)) + p i * E G (fun l => h (r i + total r l) * total r l))).
  + rewrite !Sum_plus, !Sum_scal_r. fold (mean r) x (mean (fun i => r i * f i)).
    rewrite (Sum_ext n (fun i => p i * (mean (fun i => r i * f i) / x * _)) (fun i => mean (fun i => r i * f i) / x
      * (p i * E G (fun l => h (r i + total r l) * total r l)))) by (intros; ring). rewrite Sum_scal. field. lra.
  + intros i _. rewrite (E_ext G _ (fun l => r i * h (r i + total r l) + h (r i + total r l) * total r l)) by (intros; ring).
    rewrite E_plus, E_scal. destruct (B i) as [-> | ->]; ring.
- intros i _. rewrite (E_ext G _ (fun l => r i * f i * h (r i + total r l) + h (r i + total r l) * total (fun i => r i * f i) l))
    by (intros; ring). rewrite E_plus, E_scal, (I (fun k => h (r i + k))). destruct (B i) as [-> | ->]; ring.
Qed.

Lemma total_flip r l : total (fun i => 1 - r i) l = size l - total r l.
Proof. unfold size. induction l as [|i l I]; [simpl; ring|]. change (length (i :: l)) with (S (length l)). rewrite S_INR. simpl. rewrite I. ring. Qed.

Theorem scaled_update G r f h : (0 < G)%nat -> (forall i, r i = 0 \/ r i = 1) -> mean f = 0 -> let x := mean r in 0 < x < 1 ->
  E G (update (fun l i => h (total r l) * centred r l i) f)
  = E G (fun l => h (total r l) * (total r l * (INR G - total r l))) / (INR G ^ 2 * (x * (1 - x))) * mean (fun i => r i * f i).
Proof.
intros H B Z x X. pose proof (lt_0_INR G H) as G0. set (w := fun i => 1 - r i).
assert (WX : mean w = 1 - x).
{ unfold mean, w. rewrite (Sum_ext n _ (fun i => p i - p i * r i)) by (intros; ring). rewrite Sum_minus, sums. reflexivity. }
assert (WF : mean (fun i => w i * f i) = - mean (fun i => r i * f i)).
{ unfold mean, w. rewrite (Sum_ext n _ (fun i => p i * f i - p i * (r i * f i))) by (intros; ring). rewrite Sum_minus. fold (mean f). rewrite Z. unfold mean. ring. }
assert (WB : forall i, w i = 0 \/ w i = 1) by (intro i; unfold w; destruct (B i) as [-> | ->]; lra).
rewrite (E_ext G _ (fun l => / INR G * ((h (total r l) * (1 - total r l / INR G)) * total (fun i => r i * f i) l)
  + (- / INR G) * ((h (INR G - total w l) * (1 - total w l / INR G)) * total (fun i => w i * f i) l))).
- rewrite E_plus, !E_scal.
  rewrite (E_right G r f B (fun k => h k * (1 - k / INR G)) X), (E_right G w f WB (fun k => h (INR G - k) * (1 - k / INR G)) ltac:(rewrite WX; lra)).
  rewrite WX, WF. fold x. set (g := mean (fun i => r i * f i)). set (A := E G (fun l => h (total r l) * (total r l * (INR G - total r l)))).
  rewrite (E_ext G (fun l => h (total r l) * (1 - total r l / INR G) * total r l) (fun l => / INR G * (h (total r l) * (total r l * (INR G - total r l)))))
    by (intros; field; lra).
  rewrite (E_ext G (fun l => h (INR G - total w l) * _ * _) (fun l => / INR G * (h (total r l) * (total r l * (INR G - total r l)))))
    by (intros l L; unfold w; rewrite total_flip; unfold size; rewrite L; replace (INR G - (INR G - total r l)) with (total r l) by ring; field; lra).
  rewrite !E_scal. fold A. field. lra.
- intros l L. unfold w at 1 2. rewrite total_flip. unfold update, centred, size. rewrite L.
  replace (INR G - (INR G - total r l)) with (total r l) by ring. generalize (total r l) (h (total r l)). intros t c.
  replace (total (fun i => c * (r i - t / INR G) * f i) l) with
    (c * ((1 - t / INR G) * total (fun i => r i * f i) l - t / INR G * total (fun i => w i * f i) l)); [field; lra|].
  clear. unfold w. induction l as [|i l I]; simpl; [ring|]. rewrite <- I. ring.
Qed.
End Group.

(* G3: problems x with weights rho and chances P x of a right answer; of the right ones among G answers to one problem the variance is
   the binomial one times 1 + (G - 1) v/(m (1 - m)), m and v mean and variance of P. *)
Theorem design_effect X rho n (p : nat -> nat -> R) c G : Sum X rho = 1 -> (forall x, Sum n (p x) = 1) ->
  (forall i, c i = 0 \/ c i = 1) -> let P x := mean n (p x) c in let m := Sum X (fun x => rho x * P x) in
  let v := Sum X (fun x => rho x * (P x - m) ^ 2) in 0 < m < 1 ->
  Sum X (fun x => rho x * mean_of_groups n (p x) G (fun l => (total c l - INR G * m) ^ 2))
  = INR G * (m * (1 - m)) * (1 + (INR G - 1) * v / (m * (1 - m))).
Proof.
intros W S B P m v M. set (g := INR G). transitivity (g * (m * (1 - m)) + g * (g - 1) * v); [|field; lra].
pose proof (variance X rho P W) as D. cbv zeta in D. fold m v in D. rewrite D.
rewrite (Sum_ext X _ (fun x => (g - 2 * g ^ 2 * m) * (rho x * P x) + (g * (g - 1) * (rho x * P x ^ 2) + (g * m) ^ 2 * rho x))).
- rewrite !Sum_plus, !Sum_scal, W. fold m. ring.
- intros x _. rewrite (E_ext n (p x) G _ (fun l => total c l * total c l + ((-2 * g * m) * total c l + (g * m) ^ 2))) by (intros; fold g; ring).
  rewrite E_plus, E_plus, E_scal, E_const, E_totals, E_total by apply S. fold g (P x).
  replace (mean n (p x) (fun i => c i * c i)) with (P x); [ring|]. apply Sum_ext; intros i _. destruct (B i) as [-> | ->]; ring.
Qed.

(* O5-dead: all responses agree the less often the more there are. *)
Theorem agreement_falls x G : 0 < x < 1 -> (0 < G)%nat -> x ^ S G + (1 - x) ^ S G < x ^ G + (1 - x) ^ G.
Proof. intros X _. pose proof (pow_lt x G). pose proof (pow_lt (1 - x) G). simpl. nra. Qed.

(* H1: with the first success within M samples kept, the update is the score of a success, grad x / x, times the chance that there is
   one: the geometric sum times grad x, the derivative of h_M(x) = sum over j <= M of (1 - (1 - x)^j)/j. *)
Definition kept x M := Sum M (fun k => (1 - x) ^ k).
Definition within x M := Sum M (fun k => (1 - (1 - x) ^ S k) / INR (S k)).

Theorem first_success x M : x <> 0 -> kept x M = (1 - (1 - x) ^ M) / x.
Proof. intro X. unfold kept. induction M as [|M I]; simpl; [field; exact X|]. rewrite I. field. exact X. Qed.

Theorem first_success_derive x M : is_derive (fun t => within t M) x (kept x M).
Proof.
unfold within, kept. apply Sum_derive. intros k _. pose proof (lt_0_INR (S k) (Nat.lt_0_succ k)) as K.
auto_derive; [exact I|].
change (match k with O => 1 | S _ => INR k + 1 end) with (INR (S k)). set (m := INR (S k)) in *. unfold Rminus. generalize ((1 + - x) ^ k). intro c.
field. lra.
Qed.

(* H1-stages: that number exceeds 1 from M = 2 on and grows with M; *)
Theorem kept_grows x M : 0 < x < 1 -> (0 < M)%nat -> kept x M < kept x (S M) /\ 1 < kept x (S M).
Proof.
intros X H. pose proof (pow_lt (1 - x) M ltac:(lra)) as P. assert (L : kept x M < kept x (S M)) by (unfold kept; simpl; lra).
split; [exact L|]. destruct M as [|M]; [lia|]. apply Rle_lt_trans with (kept x (S M)); [|exact L]. clear L P H.
unfold kept. induction M as [|M I]; [simpl; lra|]. pose proof (pow_lt (1 - x) (S M) ltac:(lra)) as P. change (1 <= Sum (S M) (fun k => (1 - x) ^ k) + (1 - x) ^ S M). lra.
Qed.

(* H1: as M grows it tends to 1/x, that of the exact EM gradient. *)
Theorem kept_limit x : 0 < x < 1 -> is_lim_seq (kept x) (/ x).
Proof.
intro X. apply is_lim_seq_ext with (fun M => / x + (- / x) * (1 - x) ^ M).
- intro M. rewrite first_success by lra. field. lra.
- replace (Finite (/ x)) with (Finite (/ x + - / x * 0)) by (f_equal; ring).
  apply is_lim_seq_plus'; [apply is_lim_seq_const|]. apply is_lim_seq_mult'; [apply is_lim_seq_const|]. apply is_lim_seq_geom. rewrite Rabs_pos_eq; lra.
Qed.
